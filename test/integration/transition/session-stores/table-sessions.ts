import { randomBytes } from 'node:crypto';
import type { Database } from '../../../../src/database/database.js';
import type { ProductSessions } from './store-under-test.js';

/** A table with sessions, and the SQL by which its library writes one: `$1` id, `$2` content, `$3` life in milliseconds. */
export interface WrittenTable {
  readonly table: string;
  readonly sid: string;
  readonly expire: string;
  readonly write: string;
}

/** The expiry of a written row. */
export const UNTIL = `now() + make_interval(secs => $3::float8 / 1000)`;

/** connect-pg-simple. */
export const SESSIONS_OF_EXPRESS: WrittenTable = {
  table: 'session',
  sid: 'sid',
  expire: 'expire',
  write: `
    INSERT INTO session (sid, sess, expire) VALUES ($1, $2::json, ${UNTIL})
    ON CONFLICT (sid) DO UPDATE SET sess = excluded.sess, expire = excluded.expire`,
};

/** The sessions of a product in a table. Short ids: one library has a column for 36 characters. */
export function tableSessions(
  database: Database,
  { table, sid: id, expire, write }: WrittenTable,
): ProductSessions {
  const life = `
    SELECT (extract(epoch FROM ${expire}::timestamptz - now()) * 1000)::float8 AS life FROM ${table}
    WHERE ${id} = $1 AND ${expire} > now()`;
  return {
    newSid: () => `s-${randomBytes(12).toString('hex')}`,
    write: async (sid, session, milliseconds) =>
      void (await database.query(write, [sid, JSON.stringify(session), milliseconds])),
    end: async (sid) => void (await database.query(`DELETE FROM ${table} WHERE ${id} = $1`, [sid])),
    lifeOf: async (sid) => (await database.query<{ life: number }>(life, [sid]))[0]?.life,
  };
}
