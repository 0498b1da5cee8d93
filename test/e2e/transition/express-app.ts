import type { AddressInfo } from 'node:net';
import connectPgSimple from 'connect-pg-simple';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { Pool } from 'pg';
import { createClient } from 'redis';
import { NAME, SECRET } from './session-client.js';

declare module 'express-session' {
  interface SessionData {
    userId?: string | number | null;
    passport?: { user?: string };
    views?: number;
  }
}

/** A product that runs on express-session and connect-pg-simple, as people write them. */
export interface ExpressApp {
  readonly url: string;
  /** Removes what has expired, as it does now and then. */
  prune(): Promise<void>;
  close(): Promise<void>;
}

export interface ExpressOptions {
  readonly passport?: boolean;
  /** Milliseconds. */
  readonly maxAge?: number;
}

export async function startExpress(
  databaseUrl: string,
  { passport = false, maxAge = 3_600_000 }: ExpressOptions = {},
): Promise<ExpressApp> {
  const pool = new Pool({ connectionString: databaseUrl, max: 4 });
  const Store = connectPgSimple(session);
  const store = new Store({ pool, pruneSessionInterval: false, createTableIfMissing: true });
  const served = await serve(store, { passport, maxAge });
  return {
    url: served.url,
    prune: () =>
      new Promise((resolve, reject) => {
        store.pruneSessions((error) => (error ? reject(error) : resolve()));
      }),
    async close() {
      await served.close();
      store.close();
      await pool.end();
    },
  };
}

/** The same product with its sessions in Redis. */
export async function startExpressOnRedis(
  redisUrl: string,
  options: ExpressOptions & { readonly prefix?: string } = {},
): Promise<Omit<ExpressApp, 'prune'>> {
  const client = createClient({ url: redisUrl });
  client.on('error', () => undefined);
  await client.connect();
  const { prefix } = options;
  const store = new RedisStore({ client, ...(prefix === undefined ? {} : { prefix }) });
  const served = await serve(store, options);
  return {
    url: served.url,
    async close() {
      await served.close();
      client.destroy();
    },
  };
}

async function serve(
  store: session.Store,
  { passport = false, maxAge = 3_600_000 }: ExpressOptions,
): Promise<{ readonly url: string; close(): Promise<unknown> }> {
  const app = express();
  app.use(
    session({
      store,
      name: NAME,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge, sameSite: 'lax' },
    }),
  );
  const userOf = ({ passport: held, userId }: session.SessionData) => (passport ? held?.user : userId);
  app.post('/login/:user', (request, response, next) => {
    request.session.regenerate((error: unknown) => {
      if (error !== undefined && error !== null) return next(error);
      const { user } = request.params;
      if (passport) request.session.passport = { user };
      else request.session.userId = /^\d+$/.test(user) ? Number(user) : user;
      response.json({ user });
    });
  });
  app.get('/me', (request, response) => {
    const user = userOf(request.session);
    response.status(user === undefined || user === null ? 401 : 200).json({ user: user ?? null });
  });
  app.post('/count', (request, response) => {
    request.session.views = (request.session.views ?? 0) + 1;
    response.json({ views: request.session.views });
  });
  app.post('/logout', (request, response, next) => {
    request.session.destroy((error: unknown) => {
      if (error !== undefined && error !== null) return next(error);
      response.sendStatus(204);
    });
  });
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** The cookie that a response sets, ready for a request. The session is saved when its last byte has come. */
export async function cookieIn(response: Response): Promise<string> {
  await response.text();
  return response.headers.getSetCookie()[0]!.split(';')[0]!;
}
