import type { FactoryProvider } from '@nestjs/common';
import { CONFIG } from '../../../../config/config.js';
import { Clock } from '../../../../common/clock.js';
import { Database } from '../../../../database/database.js';
import { DatabaseClock } from '../../../../tokens/feed/database-clock.js';
import type { TransitionConfig } from '../../../transition.settings.js';
import { CallbackClient } from '../../callback/callback-client.js';
import { CallbackCookies } from '../../callback/callback-cookies.js';
import { CallbackSessions } from '../../callback/callback-sessions.js';
import { SessionCredentialStore } from '../../callback/session-credential.store.js';
import { RedisConnection } from '../redis/redis-connection.js';
import { RedisSessions } from '../redis/redis-sessions.js';
import { PostgresSessionStore } from '../postgres-session.store.js';
import { SessionStore } from '../session.store.js';
import { RemoteSessionStore } from './remote-session.store.js';
import { RemoteSessions } from './remote-sessions.js';
import { SessionRecordStore } from './session-record.store.js';
import { SessionRecorder } from './session-recorder.js';
import { SessionSearchStore } from './session-search.store.js';
import { UnseenSessionsService } from './unseen-sessions.service.js';

/** The store of SESSION_STORE outside of the database; undefined if sessions are in the database. */
export const REMOTE_SESSIONS_PROVIDER: FactoryProvider<RemoteSessions | undefined> = {
  provide: RemoteSessions,
  inject: [CONFIG, DatabaseClock, Clock, SessionCredentialStore],
  useFactory: (
    config: TransitionConfig,
    clock: DatabaseClock,
    monotonic: Clock,
    credentials: SessionCredentialStore,
  ) => remoteSessions(config, clock) ?? callbackSessions(config, clock, monotonic, credentials),
};

export function callbackSessions(
  config: TransitionConfig,
  clock: DatabaseClock,
  time: Clock,
  credentials: SessionCredentialStore,
): RemoteSessions | undefined {
  const { callback, sessionCookieName: name } = config;
  if (callback === undefined) return undefined;
  const client = new CallbackClient(callback.url, callback.secret);
  const stopped = new AbortController();
  const cookies = new CallbackCookies(client, {
    ...callback,
    name,
    monotonic: () => time.monotonic(),
    now: () => clock.now(),
    signal: stopped.signal,
  });
  return new CallbackSessions(client, cookies, credentials, stopped, config);
}

export const SESSION_STORE_PROVIDER: FactoryProvider<SessionStore> = {
  provide: SessionStore,
  inject: [
    CONFIG,
    { token: RemoteSessions, optional: true },
    Database,
    PostgresSessionStore,
    SessionRecordStore,
    SessionSearchStore,
    UnseenSessionsService,
  ],
  useFactory: sessionStore,
};

export function remoteSessions(config: TransitionConfig, clock: DatabaseClock): RemoteSessions | undefined {
  if (config.redis === undefined) return undefined;
  return new RedisSessions(new RedisConnection(config.redis.url), clock, config);
}

/** The store of SESSION_STORE. */
export function sessionStore(
  { sessionUserKey }: TransitionConfig,
  remote: RemoteSessions | undefined,
  database: Database,
  postgres: PostgresSessionStore,
  records: SessionRecordStore,
  searches: SessionSearchStore,
  unseen: UnseenSessionsService,
): SessionStore {
  if (remote === undefined) return postgres;
  const recorder = new SessionRecorder(remote, records, sessionUserKey.split('.'));
  return new RemoteSessionStore(remote, database, postgres, recorder, records, searches, unseen);
}
