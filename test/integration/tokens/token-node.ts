import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { RefusalCounter } from '../../../src/audit/refusal-counter.js';
import { RowAlarms } from '../../../src/audit/row-alarms.js';
import { RefreshService } from '../../../src/auth/refresh/refresh.service.js';
import { TokenEligibilityService } from '../../../src/auth/refresh/token-eligibility.service.js';
import type { TokenEligibility } from '../../../src/auth/refresh/token-eligibility.service.js';
import { Clock } from '../../../src/common/clock.js';
import { WebhookOutbox } from '../../../src/webhooks/webhook-outbox.service.js';
import { WebhookStore } from '../../../src/webhooks/webhook.store.js';
import type { Config } from '../../../src/config/config.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { BlockedSubjects } from '../../../src/limits/blocked/blocked-subjects.js';
import { ClientRateLimitService } from '../../../src/limits/client-rate-limit.service.js';
import { RateLimitService } from '../../../src/limits/limits.service.js';
import { RateLimitStore } from '../../../src/limits/limits.store.js';
import { KeyAdministrationService } from '../../../src/tokens/keys/key-administration.service.js';
import { KeyOpenerService } from '../../../src/tokens/keys/key-opener.service.js';
import { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import { KeyTrustService } from '../../../src/tokens/keys/key-trust.service.js';
import { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import { RefreshTokenCodec } from '../../../src/tokens/families/refresh-token.codec.js';
import { RefreshTokenService } from '../../../src/tokens/families/refresh-token.service.js';
import { RefreshTokenStore } from '../../../src/tokens/families/refresh-token.store.js';
import type { RevocationHook } from '../../../src/tokens/families/revocation-hook.js';
import type { LiveFamily, TokenFamily, NewFamily } from '../../../src/tokens/families/token-family.js';
import { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { RevocationList } from '../../../src/tokens/feed/revocation-list.js';
import { RevocationStore } from '../../../src/tokens/feed/revocation.store.js';
import { RotationStore } from '../../../src/tokens/families/rotation.store.js';
import { SigningKeyStore } from '../../../src/tokens/keys/signing-key.store.js';

Logger.overrideLogger(false);

/** The tokens feature of one node, wired by hand, with a pool and a KEYS_DIR of its own. */
export interface TokenNode<Settings extends Config = Config> {
  readonly config: Settings;
  readonly database: Database;
  readonly families: RefreshTokenStore;
  readonly rotations: RotationStore;
  readonly revocationStore: RevocationStore;
  readonly feed: ChangeFeed;
  readonly revoked: RevocationList;
  readonly clock: DatabaseClock;
  readonly revocations: RevocationService;
  readonly tokens: RefreshTokenService;
  readonly refreshes: RefreshService;
  readonly keyStore: SigningKeyStore;
  readonly keys: KeyRingService;
  readonly opener: KeyOpenerService;
  readonly keyAdministration: KeyAdministrationService;
  readonly alarms: RowAlarms;
  stop(): Promise<void>;
}

export async function aNode<Settings extends Config = Config>(
  url: string,
  change: Partial<Settings> = {},
  clock = new Clock(),
  hookOf: (database: Database, config: Settings, clock: DatabaseClock) => RevocationHook | undefined = () =>
    undefined,
  eligibility?: TokenEligibility,
): Promise<TokenNode<Settings>> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-ring-'));
  const config = {
    production: false,
    jwtSecret: 'the secret of today',
    keysDir: join(folder, 'keys'),
    rsaModulusBits: 2048,
    tokenExpiry: 900,
    refreshTokenExpiry: 604_800,
    refreshFamilyExpiry: 2_592_000,
    refreshReuseGrace: 10,
    refreshLostResponseWindow: 86_400,
    authRateLimit: 1_000_000,
    authRateWindow: 60,
    ...change,
  } as Partial<Config> as Settings;
  const dataSource = await new DataSource(dataSourceOptions(url)).initialize();
  const database = new Database(dataSource);
  const audit = new AuditStore(database);
  const state = new ServiceStateStore(database);
  const alarms = new RowAlarms(database, state, audit);
  const families = new RefreshTokenStore(database);
  const revocationStore = new RevocationStore(database);
  const loops = new BackgroundLoops(true);
  const databaseClock = new DatabaseClock(clock);
  const revoked = new RevocationList(databaseClock, loops);
  const feed = new ChangeFeed(revocationStore, database, revoked, databaseClock, clock, loops);
  const outbox = new WebhookOutbox(new WebhookStore(database), config);
  const revocations = new RevocationService(database, families, revocationStore, feed, audit, outbox);
  const hook = hookOf(database, config, databaseClock);
  if (hook !== undefined) revocations.use(hook);
  const rule = new TokenEligibilityService();
  if (eligibility !== undefined) rule.use(eligibility);
  const rotations = new RotationStore(database);
  const codec = new RefreshTokenCodec(config);
  const tokens = new RefreshTokenService(families, codec, config);
  const limiter = new RateLimitService(new RateLimitStore(database), clock, config, new BlockedSubjects());
  const refreshes = new RefreshService(
    tokens,
    codec,
    rotations,
    revocations,
    limiter,
    new ClientRateLimitService(limiter, config),
    new RefusalCounter(audit, new BackgroundLoops(true)),
    config,
    rule,
  );
  const keyStore = new SigningKeyStore(database, state, audit, new KeyTrustService(config));
  const opener = new KeyOpenerService(keyStore, config);
  const keys = new KeyRingService(keyStore, feed, alarms, config);
  return {
    config,
    database,
    families,
    rotations,
    revocationStore,
    feed,
    revoked,
    clock: databaseClock,
    revocations,
    tokens,
    refreshes,
    keyStore,
    keys,
    opener,
    keyAdministration: new KeyAdministrationService(keyStore, keys, feed, config),
    alarms,
    async stop() {
      feed.onApplicationShutdown();
      await loops.onApplicationShutdown();
      await dataSource.destroy();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Creates a user without a password and returns the id. */
export async function aUser(database: Database): Promise<string> {
  const id = randomUUID();
  await database.query('INSERT INTO users (id, username, username_key) VALUES ($1, $2, $2)', [id, `u ${id}`]);
  return id;
}

export function aNewFamily(userId: string, change: Partial<NewFamily> = {}): NewFamily {
  return {
    sid: randomUUID(),
    userId,
    epoch: 0,
    secret: randomBytes(32),
    macKey: 'mac key',
    delivery: 'body',
    expiry: 1_000,
    familyExpiry: 10_000,
    ...change,
  };
}

export async function aFamily(
  node: TokenNode,
  userId: string,
  change: Partial<NewFamily> = {},
): Promise<TokenFamily> {
  return (await node.families.create(aNewFamily(userId, change), 'password', NO_ORIGIN))!;
}

/** An access token as it would be minted for the family. */
export function tokenOf({ userId, sid, epoch, generation }: LiveFamily): VerifiedToken {
  return { claims: { sub: userId, sid }, epoch, generation } as VerifiedToken;
}

const WAITING = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

/** Resolves when so many statements wait for a lock. */
export async function untilWaiting(database: Database, count = 1): Promise<void> {
  const deadline = Date.now() + 5_000;
  while ((await database.query(WAITING)).length < count) {
    if (Date.now() > deadline) throw new Error('no statement waits for a lock');
  }
}
