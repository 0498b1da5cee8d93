// oidc-provider with rotating refresh tokens and RS256 access tokens, its records in PostgreSQL by prepared statements.
import { createPrivateKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';
import pg from 'pg';

const { DATABASE_URL, KEY_FILE, JWT_SECRET, PORT, TOKENS_FILE, TOKENS } = process.env;
const RESOURCE = 'urn:bench:api';
const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  max: 20,
  options: '-c search_path=tandem,public',
});
await pool.query('DROP TABLE IF EXISTS oidc');
await pool.query(
  `CREATE TABLE oidc (id text, kind text, payload jsonb, grant_id text, consumed_at timestamptz, expires_at timestamptz,
    PRIMARY KEY (id, kind)) WITH (fillfactor = 70)`,
);
await pool.query('CREATE INDEX ON oidc (grant_id)');

const run = (name, text, values) => pool.query({ name, text, values });

class Adapter {
  constructor(kind) {
    this.kind = kind;
  }

  upsert(id, payload, expiresIn) {
    return run(
      'upsert',
      `INSERT INTO oidc (id, kind, payload, grant_id, expires_at)
       VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
       ON CONFLICT (id, kind) DO UPDATE SET payload = excluded.payload, expires_at = excluded.expires_at`,
      [id, this.kind, payload, payload.grantId ?? null, expiresIn ?? 86_400],
    );
  }

  async find(id) {
    const { rows } = await run(
      'find',
      'SELECT payload, consumed_at FROM oidc WHERE id = $1 AND kind = $2 AND expires_at > now()',
      [id, this.kind],
    );
    return rows[0] && { ...rows[0].payload, ...(rows[0].consumed_at === null ? {} : { consumed: true }) };
  }

  consume(id) {
    return run('consume', 'UPDATE oidc SET consumed_at = now() WHERE id = $1 AND kind = $2', [id, this.kind]);
  }

  destroy(id) {
    return run('destroy', 'DELETE FROM oidc WHERE id = $1 AND kind = $2', [id, this.kind]);
  }

  revokeByGrantId(grantId) {
    return run('revoke', 'DELETE FROM oidc WHERE grant_id = $1', [grantId]);
  }
}

const jwk = createPrivateKey({ key: readFileSync(KEY_FILE), passphrase: JWT_SECRET }).export({
  format: 'jwk',
});
const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  adapter: Adapter,
  clients: [
    {
      client_id: 'bench',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['https://client.test/callback'],
    },
  ],
  jwks: { keys: [{ ...jwk, kid: 'bench', alg: 'RS256', use: 'sig' }] },
  cookies: { keys: ['bench'] },
  rotateRefreshToken: true,
  ttl: { AccessToken: 900, RefreshToken: 86_400, Grant: 86_400 },
  findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'api',
        audience: 'api',
        accessTokenTTL: 900,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});

const client = await provider.Client.find('bench');
const tokens = [];
for (let index = 0; index < Number(TOKENS); index++) {
  const accountId = `user${index}`;
  const grant = new provider.Grant({ accountId, clientId: 'bench' });
  grant.addOIDCScope('offline_access');
  grant.addResourceScope(RESOURCE, 'api');
  const grantId = await grant.save();
  const token = new provider.RefreshToken({
    accountId,
    client,
    grantId,
    scope: 'offline_access api',
    resource: RESOURCE,
    gty: 'authorization_code',
    rotations: 0,
  });
  tokens.push(await token.save());
}
writeFileSync(TOKENS_FILE, tokens.join('\n'));
provider.listen(Number(PORT), '127.0.0.1');
