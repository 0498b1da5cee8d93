import { randomUUID } from 'node:crypto';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { Pool } from 'pg';
import { PRODUCT_SECRET, cookieSetIn } from './product.js';
import type { PresetProduct } from './product.js';

const URL = 'http://localhost:3000';
const NAME = 'better-auth.session_token';

/** better-auth with its own tables, which its migrations make. */
export async function startBetterAuth(databaseUrl: string): Promise<PresetProduct> {
  const pool = new Pool({ connectionString: databaseUrl, max: 2 });
  const options = {
    baseURL: URL,
    secret: PRODUCT_SECRET,
    database: pool,
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
  };
  await (await getMigrations(options)).runMigrations();
  const auth = betterAuth(options);
  const call = (path: string, cookie?: string, body?: object) =>
    auth.handler(
      new Request(`${URL}/api/auth${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          origin: URL,
          'content-type': 'application/json',
          ...(cookie === undefined ? {} : { cookie }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
  return {
    cookieName: NAME,
    async login() {
      const email = `${randomUUID()}@shop.example`;
      const response = await call('/sign-up/email', undefined, {
        email,
        name: 'A name',
        password: randomUUID(),
      });
      const { user } = (await response.json()) as { user: { id: string } };
      return { user: user.id, cookie: cookieSetIn(response.headers, NAME) };
    },
    async userOf(cookie) {
      const found = (await (await call('/get-session', cookie)).json()) as { user: { id: string } } | null;
      return found?.user.id;
    },
    async logout(cookie) {
      await call('/sign-out', cookie, {});
    },
    close: () => pool.end(),
  };
}
