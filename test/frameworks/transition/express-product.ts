import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { ConnectSessionKnexStore } from 'connect-session-knex';
import connectSessionSequelize from 'connect-session-sequelize';
import express from 'express';
import session from 'express-session';
import knex from 'knex';
import { Sequelize } from 'sequelize';
import { PRODUCT_SECRET, cookieSetIn } from './product.js';
import type { PresetProduct } from './product.js';

const NAME = 'session_id';

interface Store {
  readonly store: session.Store;
  readonly close: () => Promise<void>;
}

/** express-session with connect-session-knex. */
export async function startKnex(databaseUrl: string): Promise<PresetProduct> {
  const database = knex({ client: 'pg', connection: databaseUrl, pool: { min: 0, max: 2 } });
  const store = new ConnectSessionKnexStore({ knex: database, cleanupInterval: 0 });
  await store.length(() => undefined);
  return startExpress({ store, close: () => database.destroy() });
}

/** express-session with connect-session-sequelize. */
export async function startSequelize(databaseUrl: string): Promise<PresetProduct> {
  const db = new Sequelize(databaseUrl, { logging: false, pool: { max: 2 } });
  const SequelizeStore = connectSessionSequelize(session.Store);
  const store = new SequelizeStore({ db, checkExpirationInterval: -1 });
  await store.sync();
  return startExpress({ store, close: () => db.close() });
}

async function startExpress({ store, close }: Store): Promise<PresetProduct> {
  const app = express();
  app.use(
    session({
      store,
      name: NAME,
      secret: PRODUCT_SECRET,
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 3_600_000, sameSite: 'lax' },
    }),
  );
  app.post('/login/:user', (request, response, next) => {
    request.session.regenerate((error: unknown) => {
      if (error) return next(error);
      (request.session as { userId?: string }).userId = request.params.user;
      response.sendStatus(204);
    });
  });
  app.get('/me', (request, response) => {
    response.json({ user: (request.session as { userId?: string }).userId });
  });
  app.post('/logout', (request, response, next) => {
    request.session.destroy((error: unknown) => (error ? next(error) : response.sendStatus(204)));
  });
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    cookieName: NAME,
    async login() {
      const user = randomUUID();
      const response = await fetch(`${url}/login/${user}`, { method: 'POST' });
      await response.text();
      return { user, cookie: cookieSetIn(response.headers, NAME) };
    },
    async userOf(cookie) {
      const response = await fetch(`${url}/me`, { headers: { cookie } });
      return ((await response.json()) as { user?: string }).user;
    },
    async logout(cookie) {
      await fetch(`${url}/logout`, { method: 'POST', headers: { cookie } });
    },
    async close() {
      await new Promise((resolve) => server.close(resolve));
      await close();
    },
  };
}
