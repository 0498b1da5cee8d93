'use strict';

// node export-users.js [file]: the users, in the form that Tandem imports. Adds Ada if there is nobody yet.
const fs = require('fs');
const { pool, query } = require('./database');
const users = require('./users');

async function exportUsers(file) {
  const [{ count }] = await query('SELECT count(*)::int AS count FROM users');
  if (count === 0)
    await users.create({ email: 'ada@example.com', name: 'Ada', password: 'correct horse battery' });
  const rows = await query('SELECT id, email, password_hash FROM users WHERE NOT disabled ORDER BY id');
  const lines = rows.map(({ id, email, password_hash }) =>
    JSON.stringify({ username: email, email, password_hash, id: String(id) }),
  );
  fs.writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
}

exportUsers(process.argv[2] || 'users.jsonl')
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(() => pool.end());
