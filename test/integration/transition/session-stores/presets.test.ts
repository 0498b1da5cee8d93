import { startAuthjs } from '../../../frameworks/transition/authjs-product.js';
import { startBetterAuth } from '../../../frameworks/transition/better-auth-product.js';
import { startKnex, startSequelize } from '../../../frameworks/transition/express-product.js';
import type { PresetProduct } from '../../../frameworks/transition/product.js';
import type { SessionPreset } from '../../../../src/transition/sessions/table/session-preset.js';
import { createTestDatabase } from '../../../helpers/database.js';
import { aSessionNode } from '../session-node.js';
import { sessionStoreContract } from './contract.js';
import type { Limits } from './store-under-test.js';
import { UNTIL, tableSessions } from './table-sessions.js';
import type { WrittenTable } from './table-sessions.js';

interface Preset extends WrittenTable {
  readonly name: SessionPreset;
  /** Starts the library, which makes its tables. */
  readonly start: (databaseUrl: string) => Promise<PresetProduct>;
  readonly limits?: Limits;
  /** The library names users by numbers. */
  readonly isNumbered?: boolean;
}

/** The user of a written session. */
const USER = `$2::json ->> 'userId'`;

const PRESETS: readonly Preset[] = [
  {
    name: 'knex',
    start: startKnex,
    table: 'public.sessions',
    sid: 'sid',
    expire: 'expired',
    write: `
      INSERT INTO public.sessions (sid, sess, expired) VALUES ($1, $2::json, ${UNTIL})
      ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expired = excluded.expired`,
  },
  {
    name: 'sequelize',
    start: startSequelize,
    table: 'public."Sessions"',
    sid: 'sid',
    expire: 'expires',
    write: `
      INSERT INTO public."Sessions" (sid, data, expires, "createdAt", "updatedAt") VALUES ($1, $2, ${UNTIL}, now(), now())
      ON CONFLICT (sid) DO UPDATE SET data = excluded.data, expires = excluded.expires`,
  },
  {
    name: 'better-auth',
    start: startBetterAuth,
    table: 'public.session',
    sid: 'token',
    expire: '"expiresAt"',
    limits: { withoutContent: true },
    write: `
      WITH person AS (
        INSERT INTO public."user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
        SELECT ${USER}, 'A name', (${USER}) || '@shop.example', true, now(), now() ON CONFLICT (id) DO NOTHING
      )
      INSERT INTO public.session (id, "userId", token, "expiresAt", "createdAt", "updatedAt")
      VALUES (gen_random_uuid()::text, ${USER}, $1, ${UNTIL}, now(), now())
      ON CONFLICT (token) DO UPDATE SET "userId" = excluded."userId", "expiresAt" = excluded."expiresAt"`,
  },
  {
    name: 'authjs',
    start: startAuthjs,
    table: 'public.sessions',
    sid: '"sessionToken"',
    expire: 'expires',
    limits: { withoutContent: true },
    isNumbered: true,
    write: `
      WITH known AS (
        UPDATE public.sessions SET "userId" = (${USER})::integer, expires = ${UNTIL} WHERE "sessionToken" = $1 RETURNING id
      )
      INSERT INTO public.sessions ("userId", expires, "sessionToken")
      SELECT (${USER})::integer, ${UNTIL}, $1 WHERE NOT EXISTS (SELECT 1 FROM known)`,
  },
];

const BETTER_AUTH_USER = `
  INSERT INTO public."user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
  VALUES ($1, 'A name', $1 || '@shop.example', true, now(), now())`;

for (const { name, start, limits, isNumbered, ...table } of PRESETS) {
  const run = async () => {
    const db = await createTestDatabase();
    await (await start(db.url)).close();
    const open = () => aSessionNode(db.url, { preset: name });
    const nodes = [await open(), await open()] as const;
    let people = 10_000;
    const nameOf = async (id: string) => {
      if (isNumbered) return String((people += 1));
      await db.database.query(BETTER_AUTH_USER, [id]);
      return id;
    };
    return {
      db,
      nodes,
      product: { ...tableSessions(db.database, table), ...(limits?.withoutContent ? { nameOf } : {}) },
      async stop() {
        for (const node of nodes) await node.stop();
        await db.drop();
      },
    };
  };
  sessionStoreContract(`PostgreSQL with SESSION_PRESET=${name}`, run, limits === undefined ? {} : { limits });
}
