'use strict';

// npm run migrate: runs the files in migrations/ that have not run yet.
const fs = require('fs');
const path = require('path');
const { pool, query } = require('./database');

const FOLDER = path.join(__dirname, 'migrations');

async function migrate() {
  await query(`
    CREATE TABLE IF NOT EXISTS migrations (
      id serial PRIMARY KEY, name varchar(255) NOT NULL UNIQUE, run_on timestamp NOT NULL DEFAULT now()
    )`);
  const done = new Set((await query('SELECT name FROM migrations')).map(({ name }) => name));
  for (const name of fs.readdirSync(FOLDER).sort()) {
    if (done.has(name)) continue;
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(fs.readFileSync(path.join(FOLDER, name), 'utf8'));
      await client.query('INSERT INTO migrations (name) VALUES ($1)', [name]);
      await client.query('COMMIT');
      console.log(`migrated ${name}`);
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }
}

migrate()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(() => pool.end());
