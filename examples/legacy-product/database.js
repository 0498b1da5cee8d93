'use strict';

const { Pool } = require('pg');
const settings = require('./settings');

const pool = new Pool({ connectionString: settings.databaseUrl, max: 10 });

// An idle connection that breaks is replaced at the next query.
pool.on('error', (error) => console.error(error.message));

module.exports = {
  pool,
  /** The rows of a query. */
  query: async (text, values) => (await pool.query(text, values)).rows,
};
