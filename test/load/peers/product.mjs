// A product as it is before its move: Express 5 with express-session, connect-pg-simple and passport, as their documentation sets them
// up. SESSIONS_FILE: its sessions are in the MemoryStore, and these are the first.
import { readFileSync } from 'node:fs';
import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import pg from 'pg';

const { DATABASE_URL, SECRET, PORT, SESSIONS_FILE } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });

function makeStore() {
  if (SESSIONS_FILE === undefined)
    return new (connectPgSimple(session))({ pool, schemaName: 'product', tableName: 'session' });
  const store = new session.MemoryStore();
  for (const [sid, sess] of JSON.parse(readFileSync(SESSIONS_FILE, 'utf8'))) store.set(sid, sess);
  return store;
}

passport.serializeUser((user, done) => done(null, user.id));
passport.deserializeUser((id, done) => {
  pool
    .query(
      'SELECT id, username, role, external_id, created_at FROM product.users WHERE id = $1 AND NOT disabled',
      [id],
    )
    .then(({ rows }) => done(null, rows[0] ?? false), done);
});

const app = express();
app.disable('x-powered-by');
app.get('/open', (_request, response) => response.json({ status: 'ok' }));
app.use(
  session({
    store: makeStore(),
    name: 'session_id',
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 86_400_000 },
  }),
  passport.session(),
);
app.get('/api/users/me', (request, response) => {
  if (request.isAuthenticated()) response.json(request.user);
  else response.status(401).json({ error: 'Please log in' });
});
const server = app.listen(Number(PORT), '127.0.0.1');
// As behind a load balancer, and as Tandem does.
server.keepAliveTimeout = 65_000;
