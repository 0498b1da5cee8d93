'use strict';

const express = require('express');
const { pool } = require('./database');
const { identity } = require('./identity');
const sessions = require('./sessions');

/** Starts a service of the shop. `routes` adds what it serves to signed-in users. */
module.exports = function serve(name, port, routes) {
  const app = express();
  app.disable('x-powered-by');
  app.get('/health', (req, res) => res.sendStatus(200));
  app.use(express.json({ limit: '16kb' }));
  app.use(sessions);
  app.use(identity);
  routes(app);
  app.use((error, req, res, next) => {
    if (res.headersSent) return next(error);
    const status = error.status >= 400 && error.status < 500 ? error.status : 500;
    if (status === 500) console.error(error);
    res.status(status).json({ error: status === 500 ? 'Something broke' : 'Bad request' });
  });
  const server = app.listen(port, '127.0.0.1', (error) => {
    if (error) throw error;
    console.log(`${name} at http://localhost:${server.address().port}`);
  });
  process.once('SIGTERM', () => {
    server.close(() => pool.end());
    server.closeIdleConnections();
  });
};
