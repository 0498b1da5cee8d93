import { randomUUID } from 'node:crypto';
import { Auth } from '@auth/core';
import type { AuthConfig } from '@auth/core';
import PostgresAdapter from '@auth/pg-adapter';
import { Pool } from 'pg';
import { PRODUCT_SECRET, cookieSetIn } from './product.js';
import type { PresetProduct } from './product.js';

const URL = 'http://localhost:3000/auth';
const NAME = 'authjs.session-token';

/** The tables in the documentation of the adapter. */
const TABLES = `
  CREATE TABLE verification_token (identifier TEXT NOT NULL, expires TIMESTAMPTZ NOT NULL, token TEXT NOT NULL, PRIMARY KEY (identifier, token));
  CREATE TABLE accounts (
    id SERIAL, "userId" INTEGER NOT NULL, type VARCHAR(255) NOT NULL, provider VARCHAR(255) NOT NULL, "providerAccountId" VARCHAR(255) NOT NULL,
    refresh_token TEXT, access_token TEXT, expires_at BIGINT, id_token TEXT, scope TEXT, session_state TEXT, token_type TEXT, PRIMARY KEY (id));
  CREATE TABLE sessions (
    id SERIAL, "userId" INTEGER NOT NULL, expires TIMESTAMPTZ NOT NULL, "sessionToken" VARCHAR(255) NOT NULL, PRIMARY KEY (id));
  CREATE TABLE users (id SERIAL, name VARCHAR(255), email VARCHAR(255), "emailVerified" TIMESTAMPTZ, image TEXT, PRIMARY KEY (id))`;

/** Auth.js with the strategy `database`. Users log in by a link in a mail, as there is no password with this strategy. */
export async function startAuthjs(databaseUrl: string): Promise<PresetProduct> {
  const pool = new Pool({ connectionString: databaseUrl, max: 2 });
  await pool.query(TABLES);
  const links = new Map<string, string>();
  const config: AuthConfig = {
    basePath: '/auth',
    secret: PRODUCT_SECRET,
    trustHost: true,
    // The adapter comes with a copy of the same types.
    adapter: PostgresAdapter(pool) as NonNullable<AuthConfig['adapter']>,
    session: { strategy: 'database' },
    providers: [
      {
        id: 'mail',
        name: 'Mail',
        type: 'email',
        sendVerificationRequest: ({ identifier, url }) => void links.set(identifier, url),
      },
    ],
  };
  const call = (url: string, cookie = '', form?: Record<string, string>) =>
    Auth(
      new Request(url, {
        headers: { cookie },
        ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
      }),
      config,
    );
  /** Forms need a token and its cookie. */
  const post = async (path: string, form: Record<string, string>, cookie = '') => {
    const response = await call(`${URL}/csrf`, cookie);
    const { csrfToken } = (await response.json()) as { csrfToken: string };
    const csrf = cookieSetIn(response.headers, 'authjs.csrf-token');
    await call(`${URL}${path}`, [cookie, csrf].filter(Boolean).join('; '), { ...form, csrfToken });
  };
  return {
    cookieName: NAME,
    async login() {
      const email = `${randomUUID()}@shop.example`;
      await post('/signin/mail', { email });
      const response = await call(links.get(email)!);
      const { rows } = await pool.query<{ id: number }>('SELECT id FROM users WHERE email = $1', [email]);
      return { user: String(rows[0]!.id), cookie: cookieSetIn(response.headers, NAME) };
    },
    async userOf(cookie) {
      const found = (await (await call(`${URL}/session`, cookie)).json()) as {
        user?: { email: string };
      } | null;
      if (found?.user === undefined) return undefined;
      const { rows } = await pool.query<{ id: number }>('SELECT id FROM users WHERE email = $1', [
        found.user.email,
      ]);
      return String(rows[0]!.id);
    },
    logout: (cookie) => post('/signout', {}, cookie),
    close: () => pool.end(),
  };
}
