import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { Clock } from '../../../src/common/clock.js';
import { BlockedSubjects } from '../../../src/limits/blocked/blocked-subjects.js';
import { RateLimitService } from '../../../src/limits/limits.service.js';
import { RateLimitStore } from '../../../src/limits/limits.store.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import type { OpenedFamily } from '../../../src/tokens/families/refresh-token.service.js';
import type { RolloutService } from '../../../src/transition/rollout/rollout.service.js';
import { DowngradeStore } from '../../../src/transition/sessions/link/downgrade.store.js';
import { DowngradeService } from '../../../src/transition/sessions/link/downgrade.service.js';
import type { Downgraded } from '../../../src/transition/sessions/link/downgrade.service.js';
import { ExchangeService } from '../../../src/transition/sessions/link/exchange.service.js';
import { ExchangeStore } from '../../../src/transition/sessions/link/exchange.store.js';
import { SessionCookieService } from '../../../src/transition/sessions/http/session-cookie.service.js';
import { SessionRevocationHook } from '../../../src/transition/sessions/link/session-revocation.hook.js';
import { LinkedRevocationStore } from '../../../src/transition/sessions/link/linked-revocation.store.js';
import { SessionWatcherService } from '../../../src/transition/sessions/link/session-watcher.service.js';
import { SessionLinkStore } from '../../../src/transition/sessions/link/session-link.store.js';
import { SessionLoginService } from '../../../src/transition/sessions/session-login.service.js';
import { SessionListStore } from '../../../src/transition/sessions/listing/session-list.store.js';
import { PostgresSessionStore } from '../../../src/transition/sessions/stores/postgres-session.store.js';
import {
  callbackSessions,
  remoteSessions,
  sessionStore,
} from '../../../src/transition/sessions/stores/remote/remote-sessions.provider.js';
import type { RemoteSessions } from '../../../src/transition/sessions/stores/remote/remote-sessions.js';
import { SessionRecordStore } from '../../../src/transition/sessions/stores/remote/session-record.store.js';
import { SessionSearchStore } from '../../../src/transition/sessions/stores/remote/session-search.store.js';
import { UnseenSessionsService } from '../../../src/transition/sessions/stores/remote/unseen-sessions.service.js';
import { SessionRowStore } from '../../../src/transition/sessions/stores/session-row.store.js';
import { SessionPasswordProofStore } from '../../../src/transition/sessions/stores/session-password-proof.store.js';
import type { LiveSession, SessionStore } from '../../../src/transition/sessions/stores/session.store.js';
import { SessionCredentialStore } from '../../../src/transition/sessions/callback/session-credential.store.js';
import { SessionService } from '../../../src/transition/sessions/session.service.js';
import { hasUserColumn } from '../../../src/transition/sessions/table/session-preset.js';
import type { SessionPreset } from '../../../src/transition/sessions/table/session-preset.js';
import { USER_FIELD } from '../../../src/transition/sessions/table/session-layout.js';
import {
  openSessionRecords,
  openSessionTable,
} from '../../../src/transition/sessions/table/session-table.provider.js';
import { tableNameIn } from '../../../src/transition/sessions/table/table-name.js';
import type { SessionTable } from '../../../src/transition/sessions/table/session-table.js';
import { SessionOriginService } from '../../../src/transition/sessions/stores/session-origin.service.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { ProductAuthorityService } from '../../../src/users/product-authority.service.js';
import type {
  CallbackSettings,
  RedisSettings,
  TransitionConfig,
} from '../../../src/transition/transition.settings.js';
import { aNode } from '../tokens/token-node.js';
import type { TokenNode } from '../tokens/token-node.js';

/** A user with a session. */
export interface SessionUser {
  readonly id: string;
  readonly sid: string;
}

/** Sessions and tokens of one node, wired by hand. */
export interface SessionNode extends TokenNode<TransitionConfig> {
  readonly store: SessionStore;
  /** Undefined: the sessions are in the database. */
  readonly remote: RemoteSessions | undefined;
  readonly linkedRevocations: LinkedRevocationStore;
  readonly links: SessionLinkStore;
  readonly rows: SessionRowStore;
  readonly sessions: SessionService;
  readonly opening: SessionLoginService;
  readonly exchanges: ExchangeService;
  readonly downgrades: DowngradeService;
  readonly watcher: SessionWatcherService;
}

const SETTINGS = {
  sessionSecret: 'a secret',
  sessionSecretsPrevious: [],
  sessionExpiry: 86_400,
  sessionCookieName: 'session_id',
  sessionUserKey: 'userId',
  sessionCookiePath: '/',
  sessionCookieSameSite: 'lax',
  sessionCookiePartitioned: false,
  sessionCookieSecure: false,
} as const;

function originsOf(database: Database, config: TransitionConfig): SessionOriginService {
  const state = new ServiceStateStore(database);
  return new SessionOriginService(new ProductAuthorityService(new AdminRole('admin'), state, config), config);
}

function storeOf(
  database: Database,
  table: SessionTable,
  config: TransitionConfig,
  remote: RemoteSessions | undefined,
): SessionStore {
  const origins = originsOf(database, config);
  const postgres = new PostgresSessionStore(
    database,
    table,
    origins,
    new SessionRowStore(database, table),
    new SessionLinkStore(database, table, origins, config),
    new SessionListStore(database, table, origins, config),
    config,
  );
  const searches = new SessionSearchStore(database, table, config);
  const records = new SessionRecordStore(database, table, config);
  const unseen = new UnseenSessionsService(remote, searches);
  return sessionStore(config, remote, database, postgres, records, searches, unseen);
}

/** The table that the migrations have chosen. */
export function tableOf(database: Database): Promise<SessionTable> {
  return openSessionTable(database, 'tandem', undefined);
}

/** Where the sessions are. By default in the table that the migrations have chosen. */
export interface SessionPlace {
  /** As SESSION_TABLE would name it. */
  readonly table?: string;
  readonly preset?: SessionPreset;
  readonly redis?: RedisSettings;
  readonly callback?: CallbackSettings;
  /** The clock by which answers of a callback age. */
  readonly time?: Clock;
}

export async function aSessionNode(
  url: string,
  { table: setting, preset, redis, callback, time = new Clock() }: SessionPlace = {},
): Promise<SessionNode> {
  const source = await new DataSource(dataSourceOptions(url)).initialize();
  const opened = new Database(source);
  const chosen = preset && { name: preset, cookie: { originalMaxAge: SETTINGS.sessionExpiry * 1000 } };
  const table =
    redis === undefined && callback === undefined
      ? await openSessionTable(opened, 'tandem', tableNameIn(setting), chosen)
      : await openSessionRecords(opened, 'tandem');
  await source.destroy();
  let remote: RemoteSessions | undefined;
  let store!: SessionStore;
  const settings = {
    ...SETTINGS,
    redis,
    callback,
    sessionPreset: preset,
    sessionUserKey: hasUserColumn(preset) ? USER_FIELD : SETTINGS.sessionUserKey,
  };
  const node = await aNode<TransitionConfig>(url, settings, new Clock(), (database, config, clock) => {
    const credentials = new SessionCredentialStore(database, config);
    remote = remoteSessions(config, clock) ?? callbackSessions(config, clock, time, credentials);
    store = storeOf(database, table, config, remote);
    return new SessionRevocationHook(
      new LinkedRevocationStore(database, table, config),
      store,
      new DowngradeStore(database, originsOf(database, config)),
      config,
    );
  });
  const { database, config, revocations, tokens, families, clock } = node;
  const audit = new AuditStore(database);
  const linkedRevocations = new LinkedRevocationStore(database, table, config);
  const downgradeStore = new DowngradeStore(database, originsOf(database, config));
  const links = new SessionLinkStore(database, table, originsOf(database, config), config);
  const rows = new SessionRowStore(database, table);
  const cookie = new SessionCookieService(config);
  const sessions = new SessionService(store, linkedRevocations, cookie, revocations, audit, config);
  const proofs = new SessionPasswordProofStore(database);
  const opening = new SessionLoginService(store, sessions, cookie, undefined as never, clock, proofs, config);
  const everybody = { isEligible: () => Promise.resolve(true) } as unknown as RolloutService;
  return {
    ...node,
    async stop() {
      await remote?.close();
      await node.stop();
    },
    store,
    remote,
    linkedRevocations,
    links,
    rows,
    sessions,
    opening,
    exchanges: new ExchangeService(
      database,
      store,
      linkedRevocations,
      links,
      downgradeStore,
      families,
      tokens,
      everybody,
      proofs,
      new ExchangeStore(database, table, config),
      new RateLimitService(new RateLimitStore(database), new Clock(), config, new BlockedSubjects()),
    ),
    downgrades: new DowngradeService(
      store,
      linkedRevocations,
      downgradeStore,
      opening,
      families,
      revocations,
      audit,
      config,
    ),
    watcher: new SessionWatcherService(links, store, revocations, new BackgroundLoops(true)),
  };
}

const USERS = `
  INSERT INTO users (id, username, username_key) SELECT id, id::text, id::text FROM unnest($1::uuid[]) AS id`;

const SESSIONS = `
  INSERT INTO session (sid, sess, expire)
  SELECT sid, json_build_object('cookie', json_build_object('originalMaxAge', 3600000), 'userId', id), now() + interval '1 hour'
  FROM unnest($1::uuid[], $2::text[]) AS made (id, sid)`;

/** The ids of new users. */
export async function someUsers(database: Database, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await database.query(USERS, [ids]);
  return ids;
}

/** As another application would have made them. */
export async function usersWithSessions(database: Database, count: number): Promise<SessionUser[]> {
  const ids = await someUsers(database, count);
  const users = ids.map((id) => ({ id, sid: `s-${randomUUID()}` }));
  await database.query(SESSIONS, [ids, users.map(({ sid }) => sid)]);
  return users;
}

/** What comes of it: the login, or the code of the refusal. */
export async function exchange(node: SessionNode, { sid }: SessionUser): Promise<OpenedFamily | string> {
  const session = await node.store.live(sid);
  return session === undefined ? 'session_invalid' : exchangeSession(node, session);
}

/** The same for a session that was found. */
export async function exchangeSession(
  node: SessionNode,
  session: LiveSession,
): Promise<OpenedFamily | string> {
  return node.exchanges.exchange(session, 'body', NO_ORIGIN).catch((error: unknown) => codeOrThrow(error));
}

export async function downgrade(node: SessionNode, token: string): Promise<Downgraded> {
  return node.downgrades.downgrade((await node.tokens.verify(token))!, NO_ORIGIN);
}

function codeOrThrow(error: unknown): string {
  const { code, status } = error as { code?: string; status?: number };
  if (code === undefined || status === undefined || status >= 500) throw error;
  return code;
}
