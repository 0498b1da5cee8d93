// The usual ways on Express, as their own documentation sets them up: passport-jwt with a PEM, jsonwebtoken, express-session with
// connect-pg-simple, and that once more without the UPDATE by which every request prolongs its session.
import connectPgSimple from 'connect-pg-simple';
import express from 'express';
import session from 'express-session';
import jsonwebtoken from 'jsonwebtoken';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import pg from 'pg';

const { DATABASE_URL, PUBLIC_PEM, SECRET, ISSUER, PORT } = process.env;
const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  max: 20,
  options: '-c search_path=tandem,public',
});
const proof = { algorithms: ['RS256'], issuer: ISSUER, audience: 'api' };

passport.use(
  new Strategy(
    { ...proof, jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: PUBLIC_PEM },
    (claims, done) => done(null, { id: claims.sub }),
  ),
);
const byPassport = passport.authenticate('jwt', { session: false });

function byJsonwebtoken(request, response, next) {
  try {
    const token = request.headers.authorization?.slice('Bearer '.length);
    request.userId = jsonwebtoken.verify(token, PUBLIC_PEM, proof).sub;
    next();
  } catch {
    response.status(401).end();
  }
}

const Store = connectPgSimple(session);

function bySession(disableTouch) {
  const sessions = session({
    store: new Store({ pool, tableName: 'session', disableTouch }),
    name: 'session_id',
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 86_400_000 },
  });
  return (request, response, next) => {
    sessions(request, response, () => {
      request.userId = request.session.userId;
      if (request.userId === undefined) response.status(401).end();
      else next();
    });
  };
}

async function me(request, response) {
  const { rows } = await pool.query('SELECT id, username, role, created_at FROM users WHERE id = $1', [
    request.userId,
  ]);
  response.json(rows[0]);
}

const app = express();
app.disable('x-powered-by');
app.get('/open', (_request, response) => response.json({ status: 'ok' }));
app.get('/passport-jwt', byPassport, (_request, response) => response.status(204).end());
app.get('/express-session', bySession(false), (_request, response) => response.status(204).end());
app.get('/jsonwebtoken/me', byJsonwebtoken, me);
app.get('/express-session/me', bySession(false), me);
app.get('/express-session/untouched', bySession(true), (_request, response) => response.status(204).end());
app.listen(Number(PORT), '127.0.0.1');
