// The least that a Node server can do: an answer of the same size, and with QUERY one query by pg before it.
import { createServer } from 'node:http';
import pg from 'pg';

const { DATABASE_URL, PORT, QUERY, USERS } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const USER = {
  id: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10',
  username: 'user1',
  role: 'user',
  external_id: '1',
  created_at: new Date(),
};
let turn = 0;

async function answer() {
  if (QUERY === undefined) return USER;
  turn += 1;
  const { rows } = await pool.query({
    name: 'user',
    text: 'SELECT id, username, role, external_id, created_at FROM product.users WHERE id = $1',
    values: [1 + (turn % Number(USERS))],
  });
  return rows[0];
}

const server = createServer((_request, response) => {
  void answer().then((user) => {
    const body = JSON.stringify(user);
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    response.end(body);
  });
}).listen(Number(PORT), '127.0.0.1');
server.keepAliveTimeout = 65_000;
