import { connect } from 'node:net';

/**
 * Plain sockets in a closed loop: each of `connections` sends its next request when it has the answer to the one before.
 *
 * @param {{ port: number, connections: number, seconds: number,
 *   next: (connection: number) => string | Buffer, answered?: (connection: number, answer: string) => void }} load
 * @returns {Promise<{ perSecond: number, statuses: Record<string, number> }>}
 */
export async function closedLoop({ port, connections, seconds, next, answered }) {
  const statuses = {};
  let count = 0;
  const started = performance.now();
  const deadline = started + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, (_, index) => {
      const { promise, resolve, reject } = Promise.withResolvers();
      const socket = connect(port, '127.0.0.1');
      let pending = '';
      socket.setNoDelay(true);
      socket.setEncoding('latin1');
      socket.on('connect', () => socket.write(next(index)));
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
        answered?.(index, answer);
        if (performance.now() < deadline) socket.write(next(index));
        else socket.end();
      });
      return promise;
    }),
  );
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
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}\r\n`;
}

/** @param {string} path @param {object} body */
export function post(path, body) {
  const text = JSON.stringify(body);
  return (
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}
