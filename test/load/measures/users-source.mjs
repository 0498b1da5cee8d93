// Refreshes while the product owns the users, against refreshes of the same service without a users source. Two nodes on one database,
// with the same kind of users.
import { refreshing } from '../lib/load.mjs';
import { compare } from '../lib/compare.mjs';
import { cpuMs } from '../lib/processes.mjs';
import { makeUsers, startService } from '../lib/service.mjs';
import { CONNECTIONS, PORT } from '../lib/settings.mjs';

const SOURCE_PORT = PORT + 2;

const COLUMNS =
  'id AS external_id, login AS username, hash AS password_hash, mail AS email, banned AS disabled';

const SETTINGS = {
  USERS_SOURCE_BY_NAME: `SELECT ${COLUMNS} FROM product.accounts WHERE login = $1`,
  USERS_SOURCE_BY_ID: `SELECT ${COLUMNS} FROM product.accounts WHERE id = $1`,
};

export async function run({ database, service }) {
  const users = await makeUsers(database, 2 * CONNECTIONS, 'owned');
  await makeProduct(database);
  const node = await startService(database, SOURCE_PORT, SETTINGS);
  try {
    const tokens = users.map(({ refreshToken }) => refreshToken);
    const without = refreshing(tokens.slice(0, CONNECTIONS));
    const withSource = refreshing(tokens.slice(CONNECTIONS), { port: SOURCE_PORT });
    await without();
    await withSource();
    const row = { group: 'Users source', to: 'refreshes without one', atLeast: 0.8 };
    return [
      await compare({
        ...row,
        what: 'refreshes with a users source',
        yardstick: without,
        measured: withSource,
      }),
      await compare({
        ...row,
        what: 'the same by the processor time of the node',
        unit: '1/s of CPU',
        yardstick: perCpuSecond(service.pid, without),
        measured: perCpuSecond(node.pid, withSource),
      }),
    ];
  } finally {
    await node.end();
  }
}

/** How many calls a node answers in a second of its processor time. Other programs on the machine hardly matter. */
function perCpuSecond(pid, load) {
  return async () => {
    const before = cpuMs(pid);
    const started = performance.now();
    const perSecond = await load();
    const count = (perSecond * (performance.now() - started)) / 1000;
    return (1000 * count) / (cpuMs(pid) - before);
  };
}

/** A table of the product, as large as that of a product in use. The users of the measure are among its rows. */
async function makeProduct({ client }) {
  await client.query(`
    CREATE SCHEMA product;
    CREATE TABLE product.accounts (id serial PRIMARY KEY, login text UNIQUE, hash text, mail text, banned boolean NOT NULL DEFAULT false);
    INSERT INTO product.accounts (login, hash, mail)
      SELECT 'product-' || n, u.password_hash, 'product-' || n || '@example.com'
      FROM users u, generate_series(1, 10000) n WHERE u.username = 'root';
    INSERT INTO product.accounts (login, hash, mail)
      SELECT username, password_hash, username || '@example.com' FROM users WHERE username LIKE 'owned%';
    UPDATE users u SET external_id = a.id::text FROM product.accounts a WHERE a.login = u.username;
    ANALYZE product.accounts;
    ANALYZE users`);
}
