// Resident memory of a fresh node, then after so many users have called by tokens, or by sessions.
import { figure } from '../lib/compare.mjs';
import { get, getWithCookie } from '../lib/closed-loop.mjs';
import { inTurn, load } from '../lib/load.mjs';
import { residentMb } from '../lib/processes.mjs';
import { makeSessions, startService } from '../lib/service.mjs';
import { PORT, USERS } from '../lib/settings.mjs';

const group = 'Memory';

export async function run({ database, users, tokens }) {
  const cookies = await makeSessions(database, users);
  const bearer = tokens.map((token) => get('/api/users/me', token));
  const byCookie = cookies.map((cookie) => getWithCookie('/api/users/me', `session_id=${cookie}`));
  const fresh = await after(database, []);
  const row = { group, unit: 'MB', atMost: 250 };
  return [
    figure({ group, what: 'a node that has just started', unit: 'MB' }, [fresh]),
    figure({ ...row, what: `a node that ${USERS} users called by tokens` }, [await after(database, bearer)]),
    figure({ ...row, what: `a node that ${USERS} users called by sessions` }, [
      await after(database, byCookie),
    ]),
  ];
}

async function after(database, requests) {
  const port = PORT + 2;
  const node = await startService(database, port, { KEYS_DIR: `${database.folder}/keys-2` });
  if (requests.length > 0) {
    // Each of them twice: once to be known, once as it goes on.
    let left = requests.length * 2;
    const next = inTurn(requests);
    await load({ port, next: () => (left-- > 0 ? next() : undefined), seconds: 120 });
  }
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const resident = residentMb(node.pid);
  await node.end();
  return resident;
}
