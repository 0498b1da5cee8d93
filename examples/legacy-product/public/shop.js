// The page of the shop. `authorized` is what the web team added for Tandem: it uses tokens if the user may have them, else the session.
'use strict';

const form = document.querySelector('#login');
const message = document.querySelector('#message');
const list = document.querySelector('#orders');
const logout = document.querySelector('#logout');

/** Only in memory: the refresh token is in an HttpOnly cookie that scripts cannot read. */
let accessToken;

/** Asks Tandem for tokens: first with the refresh token, then with the session. Tabs take turns. */
async function getToken() {
  await navigator.locks.request('tokens', async () => {
    for (const path of ['/auth/refresh', '/auth/exchange']) {
      const answer = await fetch(path, { method: 'POST' });
      if (answer.ok) {
        accessToken = (await answer.json()).access_token;
        return;
      }
      // The rollout moves this user back to a session.
      if (path === '/auth/refresh' && answer.status === 403)
        await fetch('/auth/downgrade', { method: 'POST' });
    }
    accessToken = undefined;
  });
}

/** Calls the API with the token, or with the session if there is none. Gets a new token once if the old one has expired. */
async function authorized(path, options = {}, again = false) {
  const headers = { ...options.headers, ...(accessToken ? { Authorization: `Bearer ${accessToken}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.status !== 401 || again) return answer;
  await getToken();
  return authorized(path, options, true);
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
  const answer = await fetch('/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  message.textContent = answer.ok ? '' : 'Wrong address or password';
  if (answer.ok) {
    await getToken();
    await show();
  }
});

logout.addEventListener('click', async () => {
  await authorized(accessToken ? '/auth/logout' : '/logout', { method: 'POST' });
  accessToken = undefined;
  await show();
});

getToken().then(show).catch(console.error);
