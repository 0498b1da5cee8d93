import { closedLoop, post } from './closed-loop.mjs';
import { CONNECTIONS, PORT, SECONDS } from './settings.mjs';

/** Answers per second. Throws if any answer was not 2xx. */
export async function load(options) {
  const { perSecond, statuses } = await closedLoop({
    port: PORT,
    connections: CONNECTIONS,
    seconds: SECONDS,
    ...options,
  });
  const bad = Object.keys(statuses).filter((status) => !status.startsWith('2'));
  if (bad.length > 0) throw new Error(`answers other than 2xx: ${JSON.stringify(statuses)}`);
  return perSecond;
}

/** A source of the same requests over and over, in turn. */
export function inTurn(requests) {
  let turn = 0;
  return () => requests[turn++ % requests.length];
}

/** Refreshes of as many logins as there are tokens, each on a connection of its own. */
export function refreshing(tokens, options = {}) {
  const current = [...tokens];
  return () =>
    load({
      connections: current.length,
      next: (index) => post('/auth/refresh', { refresh_token: current[index] }),
      answered: (index, answer) => {
        current[index] = /"refresh_token":"([^"]+)"/.exec(answer)[1];
      },
      ...options,
    });
}
