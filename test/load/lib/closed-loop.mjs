import { connect } from 'node:net';

/**
 * Plain sockets in a closed loop: each of `connections` sends its next request when it has the answer to the one before.
 *
 * Ends after `seconds`, or as soon as `next` has nothing more to send.
 *
 * `ramp`: milliseconds in which the connections begin, evenly. `answered` may return for how many milliseconds its connection is to wait before the next request.
 *
 * `awake`: never sleeps. A server whose answer has to wake this process pays for that in its own system call, and the slower it is
 * the more often: a fast one and a slow one are compared fairly only without it. Not where a database shares this core.
 *
 * @param {{ port: number, connections: number, seconds: number, ramp?: number, awake?: boolean,
 *   next: (connection: number) => string | Buffer | undefined, answered?: (connection: number, answer: string) => number | void }} load
 * @returns {Promise<{ perSecond: number, statuses: Record<string, number> }>}
 */
export async function closedLoop({ port, connections, seconds, ramp = 0, awake = false, next, answered }) {
  const statuses = {};
  let count = 0;
  let spinning = awake;
  const spin = () => spinning && setImmediate(spin);
  spin();
  const started = performance.now();
  const deadline = started + seconds * 1000;
  const ended = Promise.all(
    Array.from({ length: connections }, (_, index) => {
      const { promise, resolve, reject } = Promise.withResolvers();
      const socket = connect(port, '127.0.0.1');
      let pending = '';
      socket.setNoDelay(true);
      socket.setEncoding('latin1');
      const go = () => {
        const request = performance.now() < deadline ? next(index) : undefined;
        if (request === undefined) socket.end();
        else socket.write(request);
      };
      socket.on('connect', () => setTimeout(go, (ramp * index) / connections));
      socket.on('error', reject);
      socket.on('close', resolve);
      socket.on('data', (chunk) => {
        pending += chunk;
        const length = lengthOf(pending);
        if (length === undefined || pending.length < length) return;
        const answer = pending.slice(0, length);
        pending = pending.slice(length);
        const status = answer.slice(9, 12);
        statuses[status] = (statuses[status] ?? 0) + 1;
        count += 1;
        const pause = answered?.(index, answer) ?? 0;
        if (pause > 0) setTimeout(go, pause);
        else go();
      });
      return promise;
    }),
  );
  await ended.finally(() => (spinning = false));
  return { perSecond: count / ((performance.now() - started) / 1000), statuses };
}

/** Bytes of the whole answer at the beginning of `text`; undefined while its head is not complete. */
function lengthOf(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end));
  return end + 4 + Number(length?.[1] ?? 0);
}

/** @param {string} path @param {string} [token] */
export function get(path, token) {
  return withHeader(path, token === undefined ? '' : `Authorization: Bearer ${token}\r\n`);
}

/** @param {string} path @param {string} cookie */
export function getWithCookie(path, cookie) {
  return withHeader(path, `Cookie: ${cookie}\r\n`);
}

function withHeader(path, header) {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${header}\r\n`;
}

/** @param {string} path @param {object} body */
export function post(path, body) {
  const text = JSON.stringify(body);
  return (
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}
