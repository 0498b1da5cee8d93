import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Users, token families, the revocation feed, the key ring, the audit trail and rate limits. */
export class Core1795000000000 implements MigrationInterface {
  name = 'Core1795000000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE service_state (
        id smallint NOT NULL DEFAULT 1,
        issuer text,
        secret_fingerprint text,
        max_token_expiry integer NOT NULL DEFAULT 0,
        versions jsonb NOT NULL DEFAULT '{}',
        CONSTRAINT service_state_pkey PRIMARY KEY (id),
        CONSTRAINT service_state_one_row CHECK (id = 1)
      )`);
    await queryRunner.query(`INSERT INTO service_state DEFAULT VALUES`);
    await queryRunner.query(`
      CREATE TABLE users (
        id uuid NOT NULL,
        username text NOT NULL,
        username_key text NOT NULL,
        password_hash text,
        role text NOT NULL DEFAULT 'user',
        email text,
        external_id text,
        epoch integer NOT NULL DEFAULT 0,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT users_pkey PRIMARY KEY (id),
        CONSTRAINT users_username_key_unique UNIQUE (username_key),
        CONSTRAINT users_external_id_unique UNIQUE (external_id),
        CONSTRAINT users_role_check CHECK (role IN ('user', 'admin'))
      )`);
    await queryRunner.query(`
      CREATE TABLE refresh_tokens (
        id uuid NOT NULL,
        user_id uuid NOT NULL,
        secret bytea NOT NULL,
        mac_key text NOT NULL,
        generation integer NOT NULL DEFAULT 0,
        rotated_at timestamptz NOT NULL DEFAULT now(),
        confirmed_generation integer NOT NULL DEFAULT 0,
        delivery text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        last_used_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        absolute_expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        revoke_reason text,
        ip text,
        user_agent text,
        CONSTRAINT refresh_tokens_pkey PRIMARY KEY (id),
        CONSTRAINT refresh_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
        CONSTRAINT refresh_tokens_delivery_check CHECK (delivery IN ('body', 'cookie'))
      ) WITH (fillfactor = 70)`);
    await queryRunner.query(`CREATE INDEX refresh_tokens_user_id_idx ON refresh_tokens (user_id)`);
    await queryRunner.query(
      `CREATE INDEX refresh_tokens_absolute_expires_at_idx ON refresh_tokens (absolute_expires_at)`,
    );
    await queryRunner.query(`
      CREATE TABLE revocations (
        seq bigint GENERATED ALWAYS AS IDENTITY,
        xid bigint NOT NULL,
        kind text NOT NULL,
        subject uuid NOT NULL,
        epoch integer,
        expires_at timestamptz NOT NULL,
        CONSTRAINT revocations_pkey PRIMARY KEY (seq),
        CONSTRAINT revocations_kind_check CHECK (kind IN ('sid', 'user'))
      )`);
    await queryRunner.query(`CREATE INDEX revocations_xid_idx ON revocations (xid)`);
    await queryRunner.query(`CREATE INDEX revocations_expires_at_idx ON revocations (expires_at)`);
    await queryRunner.query(`
      CREATE TABLE signing_keys (
        kid text NOT NULL,
        public_jwk jsonb NOT NULL,
        private_pem text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        promote_at timestamptz NOT NULL,
        distrusted_at timestamptz,
        CONSTRAINT signing_keys_pkey PRIMARY KEY (kid)
      )`);
    await queryRunner.query(`
      CREATE TABLE audit_events (
        id bigint GENERATED ALWAYS AS IDENTITY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        event text NOT NULL,
        cause text,
        user_id uuid,
        actor_id uuid,
        sid uuid,
        ip text,
        user_agent text,
        request_id text,
        count integer NOT NULL DEFAULT 1,
        detail jsonb,
        CONSTRAINT audit_events_pkey PRIMARY KEY (id)
      )`);
    await queryRunner.query(`CREATE INDEX audit_events_user_id_idx ON audit_events (user_id, id)`);
    await queryRunner.query(`CREATE INDEX audit_events_event_idx ON audit_events (event, id)`);
    await queryRunner.query(`
      CREATE TABLE rate_limits (
        key bytea NOT NULL,
        ends bigint[] NOT NULL,
        hits integer[] NOT NULL,
        admitted integer NOT NULL,
        expires_at timestamptz NOT NULL,
        CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
      ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)`);
    await queryRunner.query(`CREATE INDEX rate_limits_expires_at_idx ON rate_limits (expires_at)`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP TABLE rate_limits`);
    await queryRunner.query(`DROP TABLE audit_events`);
    await queryRunner.query(`DROP TABLE signing_keys`);
    await queryRunner.query(`DROP TABLE revocations`);
    await queryRunner.query(`DROP TABLE refresh_tokens`);
    await queryRunner.query(`DROP TABLE users`);
    await queryRunner.query(`DROP TABLE service_state`);
  }
}
