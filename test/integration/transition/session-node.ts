import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { Clock } from '../../../src/common/clock.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import type { OpenedFamily } from '../../../src/tokens/families/refresh-token.service.js';
import type { RolloutService } from '../../../src/transition/rollout/rollout.service.js';
import { DowngradeStore } from '../../../src/transition/sessions/link/downgrade.store.js';
import { DowngradeService } from '../../../src/transition/sessions/link/downgrade.service.js';
import type { Downgraded } from '../../../src/transition/sessions/link/downgrade.service.js';
import { ExchangeService } from '../../../src/transition/sessions/link/exchange.service.js';
import { SessionCookieService } from '../../../src/transition/sessions/http/session-cookie.service.js';
import { SessionRevocationHook } from '../../../src/transition/sessions/link/session-revocation.hook.js';
import { LinkedRevocationStore } from '../../../src/transition/sessions/link/linked-revocation.store.js';
import { SessionWatcherService } from '../../../src/transition/sessions/link/session-watcher.service.js';
import { SessionLinkStore } from '../../../src/transition/sessions/link/session-link.store.js';
import { SessionLoginService } from '../../../src/transition/sessions/session-login.service.js';
import { SessionListStore } from '../../../src/transition/sessions/listing/session-list.store.js';
import { PostgresSessionStore } from '../../../src/transition/sessions/stores/postgres-session.store.js';
import { SessionRowStore } from '../../../src/transition/sessions/stores/session-row.store.js';
import { SessionPasswordProofStore } from '../../../src/transition/sessions/stores/session-password-proof.store.js';
import type { SessionStore } from '../../../src/transition/sessions/stores/session.store.js';
import { SessionService } from '../../../src/transition/sessions/session.service.js';
import { openSessionTable } from '../../../src/transition/sessions/table/session-table.provider.js';
import { tableNameIn } from '../../../src/transition/sessions/table/table-name.js';
import type { SessionTable } from '../../../src/transition/sessions/table/session-table.js';
import { SessionOriginService } from '../../../src/transition/sessions/stores/session-origin.service.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { ProductAuthorityService } from '../../../src/users/product-authority.service.js';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';
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

function storeOf(database: Database, table: SessionTable, config: TransitionConfig): SessionStore {
  const origins = originsOf(database, config);
  return new PostgresSessionStore(
    database,
    table,
    origins,
    new SessionRowStore(database, table),
    new SessionLinkStore(database, table, origins, config),
    new SessionListStore(database, table, origins, config),
    config,
  );
}

/** The table that the migrations have chosen. */
export function tableOf(database: Database): Promise<SessionTable> {
  return openSessionTable(database, 'tandem', undefined);
}

/** `table`: as SESSION_TABLE would name it. */
export async function aSessionNode(url: string, setting?: string): Promise<SessionNode> {
  const source = await new DataSource(dataSourceOptions(url)).initialize();
  const table = await openSessionTable(new Database(source), 'tandem', tableNameIn(setting));
  await source.destroy();
  const node = await aNode<TransitionConfig>(url, SETTINGS, new Clock(), (database, config) => {
    return new SessionRevocationHook(
      new LinkedRevocationStore(database, table, config),
      storeOf(database, table, config),
      new DowngradeStore(database, originsOf(database, config)),
      config,
    );
  });
  const { database, config, revocations, tokens, families, clock } = node;
  const audit = new AuditStore(database);
  const store = storeOf(database, table, config);
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
    store,
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

/** As another application would have made them. */
export async function usersWithSessions(database: Database, count: number): Promise<SessionUser[]> {
  const users = Array.from({ length: count }, () => ({ id: randomUUID(), sid: `s-${randomUUID()}` }));
  const ids = users.map(({ id }) => id);
  await database.query(USERS, [ids]);
  await database.query(SESSIONS, [ids, users.map(({ sid }) => sid)]);
  return users;
}

/** What comes of it: the login, or the code of the refusal. */
export async function exchange(node: SessionNode, { sid }: SessionUser): Promise<OpenedFamily | string> {
  const session = await node.store.live(sid);
  if (session === undefined) return 'session_invalid';
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
