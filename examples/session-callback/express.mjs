// A product on express-session whose sessions are in the memory of its process, and the twenty lines that connect it with Tandem:
// SESSION_STORE=callback, SESSION_CALLBACK_URL=http://127.0.0.1:3000/tandem/session.
import { createHash, timingSafeEqual } from 'node:crypto';
import express from 'express';
import session from 'express-session';

/** What Tandem calls the session: not the id in the cookie, which signs people in. */
const nameOf = (sid) => createHash('sha256').update(sid).digest('hex');

const same = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/**
 * `callbackSecret`: SESSION_CALLBACK_SECRET. `ended`: is told of each logout, so that tokens end with it at once.
 *
 * @param {{ sessionSecret: string, callbackSecret: string, maxAge?: number, ended?: (session: string) => Promise<void> }} options
 */
export function createShop({ sessionSecret, callbackSecret, maxAge = 3_600_000, ended = async () => {} }) {
  const shop = express();
  const store = new session.MemoryStore();
  shop.use(express.json());
  shop.use(
    session({
      store,
      secret: sessionSecret,
      resave: false,
      saveUninitialized: false,
      rolling: true,
      cookie: { maxAge },
    }),
  );

  // --- The callback ---
  const all = () =>
    new Promise((resolve) => store.all((_error, sessions) => resolve(Object.entries(sessions ?? {}))));
  const callback = express.Router();
  callback.use((request, response, next) => {
    const given = request.headers.authorization ?? '';
    return same(given, `Bearer ${callbackSecret}`) ? next() : response.sendStatus(403);
  });
  callback.get('/', ({ session: { user, cookie }, sessionID }, response) => {
    if (user === undefined) return response.sendStatus(401);
    response.json({ user, session: nameOf(sessionID), expires_at: cookie.expires.toISOString() });
  });
  callback.post('/', (request, response, next) => {
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.user = request.body.user;
      response.json({});
    });
  });
  callback.delete('/', async ({ body: { user, session: name } }, response) => {
    for (const [sid, held] of await all()) {
      if (user === undefined ? nameOf(sid) === name : held.user === user)
        await new Promise((resolve) => store.destroy(sid, resolve));
    }
    response.sendStatus(204);
  });
  shop.use('/tandem/session', callback);

  // --- The product as it was ---
  shop.post('/login/:user', (request, response, next) => {
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.user = request.params.user;
      response.sendStatus(204);
    });
  });
  shop.get('/me', ({ session: { user } }, response) => {
    response.status(user === undefined ? 401 : 200).json({ user });
  });
  shop.post('/logout', (request, response, next) => {
    const name = nameOf(request.sessionID);
    request.session.destroy((error) => {
      if (error) return next(error);
      ended(name).then(() => response.sendStatus(204), next);
    });
  });
  return shop;
}
