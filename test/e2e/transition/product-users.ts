import { pbkdf2Sync, randomBytes, randomUUID } from 'node:crypto';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp, TestAppOptions } from '../../helpers/app.js';
import { sql } from '../../helpers/client.js';
import { SECRET, cookieFor } from './session-client.js';

const COLUMNS = `
  id AS external_id, login AS username, hash AS password_hash, mail AS email, role, banned AS disabled, changed AS password_changed_at`;

/** The settings of a node whose users are those of {@link createProduct}. */
export const SOURCE = {
  SESSION_SECRET: SECRET,
  USERS_SOURCE_BY_NAME: `SELECT ${COLUMNS.trim().replaceAll('\n', ' ')} FROM product.accounts WHERE login = $1`,
  USERS_SOURCE_BY_ID: `SELECT ${COLUMNS.trim().replaceAll('\n', ' ')} FROM product.accounts WHERE id = $1;`,
};

/** A user of the product. */
export interface ProductUser {
  readonly id: number;
  readonly username: string;
  readonly password: string;
}

/** As Werkzeug writes it, and cheap. */
export function hashOf(password: string, rounds = 1_000): string {
  const salt = randomBytes(8).toString('hex');
  return `pbkdf2:sha256:${rounds}$${salt}$${pbkdf2Sync(password, salt, rounds, 32, 'sha256').toString('hex')}`;
}

/** A node that finds its users in a table of the product, in the same database. */
export async function productNode({ env = {}, ...more }: TestAppOptions = {}): Promise<TestApp> {
  const node = await createTestApp({ env: { ...SOURCE, ...env }, ...more });
  if (more.db === undefined) {
    await sql(node, `CREATE SCHEMA product`);
    await sql(
      node,
      `CREATE TABLE product.accounts (id serial PRIMARY KEY, login text UNIQUE, hash text, mail text, role text,
        banned boolean NOT NULL DEFAULT false, changed timestamptz)`,
    );
  }
  return node;
}

/** A sign-up at the product. */
export async function signUp(
  node: TestApp,
  columns: { login?: string; hash?: string; mail?: string; role?: string } = {},
): Promise<ProductUser> {
  const username = columns.login ?? `user-${randomUUID()}`;
  const password = `pass phrase of ${randomUUID()}`;
  const [row] = await sql<{ id: number }>(
    node,
    `INSERT INTO product.accounts (login, hash, mail, role) VALUES ($1, $2, $3, $4) RETURNING id`,
    [username, columns.hash ?? hashOf(password), columns.mail ?? null, columns.role ?? null],
  );
  return { id: row!.id, username, password };
}

/** What the product writes about a user. */
export async function change(
  node: TestApp,
  { id }: ProductUser,
  set: string,
  values: unknown[] = [],
): Promise<void> {
  await sql(node, `UPDATE product.accounts SET ${set} WHERE id = $1`, [id, ...values]);
}

/** A session that the product began. */
export async function productSession(node: TestApp, id: number | string): Promise<string> {
  const sid = randomUUID();
  const sess = JSON.stringify({ cookie: { path: '/' }, userId: id });
  await sql(node, `INSERT INTO session VALUES ($1, $2::json, now() + interval '1 hour')`, [sid, sess]);
  return cookieFor(sid);
}

/** Tandem's row of a product's user. */
export async function stored(node: TestApp, externalId: number | string) {
  const [row] = await sql<{
    id: string;
    username: string;
    password_hash: string | null;
    role: string;
    email: string | null;
    disabled: boolean;
  }>(
    node,
    `SELECT id, username, password_hash, role, email, disabled_at IS NOT NULL AS disabled FROM users WHERE external_id = $1`,
    [String(externalId)],
  );
  return row;
}

/** Until then, the product's table cannot be read. */
export async function withoutSource(node: TestApp, work: () => Promise<void>): Promise<void> {
  await sql(node, `ALTER TABLE product.accounts RENAME TO away`);
  try {
    await work();
  } finally {
    await sql(node, `ALTER TABLE product.away RENAME TO accounts`);
  }
}
