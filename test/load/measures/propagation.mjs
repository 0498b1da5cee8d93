// How long a second node takes to refuse what the first has ended.
import { figure } from '../lib/compare.mjs';
import { makeUsers, startService } from '../lib/service.mjs';
import { PASSWORD, PORT, ROUNDS } from '../lib/settings.mjs';

export async function run({ database, service }) {
  const other = await startService(database, PORT + 2, { KEYS_DIR: `${database.folder}/keys-2` });
  const [user] = await makeUsers(database, 1, 'ended');
  const waits = [];
  for (let turn = 0; turn < ROUNDS * 4; turn++) waits.push(await once(service.port, other.port, user.name));
  await other.end();
  return [
    figure({ group: 'Operation', what: 'a logout reaches the other node', unit: 'ms', atMost: 1000 }, waits),
  ];
}

async function once(here, there, username) {
  const login = await fetch(`http://127.0.0.1:${here}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  const headers = { Authorization: `Bearer ${(await login.json()).access_token}` };
  const verify = async () => (await fetch(`http://127.0.0.1:${there}/auth/verify`, { headers })).status;
  if ((await verify()) !== 204) throw new Error('the other node does not take the token');
  await fetch(`http://127.0.0.1:${here}/auth/logout`, { method: 'POST', headers });
  const answered = performance.now();
  while ((await verify()) === 204)
    if (performance.now() - answered > 5_000) throw new Error('it still counts');
  return performance.now() - answered;
}
