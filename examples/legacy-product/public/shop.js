// The page of the shop. `getToken` and `authorized` are what the web team added for Tandem: the page uses tokens if the user may have them, else
// the session. After the sunset it logs in at Tandem.
'use strict';

const form = document.querySelector('#login');
const message = document.querySelector('#message');
const list = document.querySelector('#orders');
const logout = document.querySelector('#logout');

/** Only in memory: the refresh token is in an HttpOnly cookie that scripts cannot read. */
let accessToken;

/** Repeats a call that is answered 429 or 503, after the time that the answer names. */
async function send(path, options) {
  for (;;) {
    const answer = await fetch(path, options);
    if (answer.status !== 429 && answer.status !== 503) return answer;
    const seconds = Number(answer.headers.get('Retry-After')) || 1;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

function post(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  return send(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Asks Tandem for tokens: first with the refresh token, then with the session. Tabs take turns. */
async function getToken() {
  await navigator.locks.request('tokens', async () => {
    accessToken = undefined;
    for (const path of ['/auth/refresh', '/auth/exchange']) {
      const answer = await send(path, { method: 'POST' });
      if (answer.ok) {
        accessToken = (await answer.json()).access_token;
        return;
      }
      // The rollout moves this user back to a session.
      if (path === '/auth/refresh' && answer.status === 403)
        await send('/auth/downgrade', { method: 'POST' });
    }
  });
}

/** Calls the API with the token, or with the session if there is none. Gets a new token once if the old one has expired. */
async function authorized(path, options = {}, again = false) {
  const headers = { ...options.headers, ...(accessToken ? { Authorization: `Bearer ${accessToken}` } : {}) };
  const answer = await send(path, { ...options, headers });
  if (answer.status !== 401 || again) return answer;
  await getToken();
  return authorized(path, options, true);
}

/** At the shop, or at Tandem once there are no sessions. */
async function logIn(email, password) {
  const migration = await send('/auth/migration');
  if (migration.ok && (await migration.json()).phase === 'sessions_removed') {
    const answer = await post('/auth/login', { username: email, password, token_delivery: 'cookie' });
    if (answer.ok) accessToken = (await answer.json()).access_token;
    return answer.ok;
  }
  const answer = await post('/login', { email, password });
  if (answer.ok) await getToken();
  return answer.ok;
}

async function show() {
  const answer = await authorized('/orders');
  const signedIn = answer.ok;
  form.hidden = signedIn;
  logout.hidden = !signedIn;
  const { orders } = signedIn ? await answer.json() : { orders: [] };
  list.replaceChildren(
    ...orders.map(({ item, cents }) => {
      const entry = document.createElement('li');
      entry.textContent = `${item}: ${(cents / 100).toFixed(2)}`;
      return entry;
    }),
  );
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  const isRight = await logIn(email, password);
  message.textContent = isRight ? '' : 'Wrong address or password';
  if (isRight) await show();
});

logout.addEventListener('click', async () => {
  await authorized(accessToken ? '/auth/logout' : '/logout', { method: 'POST' });
  accessToken = undefined;
  await show();
});

getToken().then(show).catch(console.error);
