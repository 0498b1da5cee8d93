import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebhookClient } from '../../../src/webhooks/webhook-client.js';
import type { Resolver } from '../../../src/config/checked-lookup.js';

const TIMEOUT_MS = 300;

/** A receiver that answers with bytes. */
class RawReceiver {
  readonly requests: string[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  answer: (socket: Socket) => void = (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n');
  readonly server: Server = createServer((socket) => {
    this.connections += 1;
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      this.requests.push(bytes.toString('latin1'));
      this.answer(socket);
    });
  });

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
}

let receiver: RawReceiver;
let clients: WebhookClient[];
beforeEach(async () => {
  receiver = new RawReceiver();
  clients = [];
  await once(receiver.server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => {
  for (const client of clients) client.close();
  for (const socket of receiver.sockets) socket.destroy();
  receiver.server.close();
});

function clientOf(host = '127.0.0.1', resolver?: Resolver): WebhookClient {
  const client = new WebhookClient(`http://${host}:${receiver.port}/hooks`, TIMEOUT_MS, resolver);
  clients.push(client);
  return client;
}
const post = (client: WebhookClient) =>
  client.post('{}', { 'content-type': 'application/json', 'content-length': '2' });
const resolving = (...answers: (readonly string[])[]): Resolver => {
  let call = 0;
  return (_host, _options, done) => {
    const addresses = answers[Math.min(call++, answers.length - 1)]!;
    done(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
};

describe('a webhook that is sent', () => {
  it('is delivered if the receiver answers 2xx, and uses the connection again', async () => {
    receiver.answer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const client = clientOf();
    for (let round = 0; round < 3; round += 1)
      expect(await post(client)).toMatchObject({ delivered: true, alive: true, status: 200 });
    expect(receiver.requests[0]).toMatch(/^POST \/hooks HTTP\/1\.1\r\n/);
    expect(receiver.requests).toHaveLength(3);
    expect(receiver.connections).toBe(1);
  });

  it.each([
    [301, true],
    [302, true],
    [307, true],
    [400, true],
    [410, true],
    [408, false],
    [429, false],
    [500, false],
    [503, false],
  ])('is not delivered if the receiver answers %d, and a redirect is not followed', async (status, alive) => {
    const other = new RawReceiver();
    await once(other.server.listen(0, '127.0.0.1'), 'listening');
    receiver.answer = (socket) =>
      socket.end(
        `HTTP/1.1 ${status} X\r\nLocation: http://127.0.0.1:${other.port}/\r\nContent-Length: 0\r\n\r\n`,
      );
    expect(await post(clientOf())).toMatchObject({
      delivered: false,
      alive,
      status,
      error: `HTTP ${status}`,
    });
    other.server.close();
    expect(other.connections).toBe(0);
  });

  it('tells how long a busy receiver wants to be left alone', async () => {
    receiver.answer = (socket) =>
      socket.end('HTTP/1.1 503 X\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n');
    expect(await post(clientOf())).toMatchObject({ retryAfter: 120 });
    receiver.answer = (socket) =>
      socket.end('HTTP/1.1 503 X\r\nRetry-After: -1 e9\r\nContent-Length: 0\r\n\r\n');
    expect((await post(clientOf())).retryAfter).toBeUndefined();
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ['never answers', () => undefined, 'TIMEOUT'],
    ['answers half a head', (socket) => socket.write('HTTP/1.1 200 OK\r\nX-A: '), 'TIMEOUT'],
    ['answers rubbish', (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'), 'HPE_'],
    [
      'answers an endless head',
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}`),
      'HPE_',
    ],
    [
      'switches protocols',
      (socket) => socket.end('HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      '',
    ],
    ['closes the connection', (socket) => socket.destroy(), 'ECONNRESET'],
  ])('is not delivered if the receiver %s', async (_, answer, error) => {
    receiver.answer = answer;
    const attempt = await post(clientOf());
    expect(attempt).toMatchObject({ delivered: false, alive: false });
    expect(attempt.error).toContain(error);
    expect(attempt.error.length).toBeLessThanOrEqual(64);
  });

  it('is delivered with the head of the answer; an endless body is cut off', async () => {
    const closed = new Promise((resolve) => {
      receiver.answer = (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        const more = () => {
          if (socket.writable && !socket.destroyed) socket.write(`1000\r\n${'a'.repeat(4_096)}\r\n`, more);
        };
        more();
        socket.once('close', resolve);
      };
    });
    expect(await post(clientOf())).toMatchObject({ delivered: true });
    await closed;
  });

  it('is delivered with the head of the answer; a body that never ends is cut off in time', async () => {
    const closed = new Promise((resolve) => {
      receiver.answer = (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na');
        socket.once('close', resolve);
      };
    });
    expect(await post(clientOf())).toMatchObject({ delivered: true });
    await closed;
  });

  it('is not delivered if nobody listens, and if it is aborted', async () => {
    receiver.answer = () => undefined;
    const stopping = new AbortController();
    const attempt = clientOf().post('{}', {}, stopping.signal);
    stopping.abort();
    expect(await attempt).toMatchObject({ delivered: false, error: 'ABORT_ERR' });
    const client = clientOf();
    receiver.server.close();
    expect(await post(client)).toMatchObject({ delivered: false, error: 'ECONNREFUSED' });
  });
});

describe('a name in WEBHOOK_URL', () => {
  it.each([
    [['169.254.169.254']],
    [['fe80::1']],
    [['::ffff:169.254.169.254']],
    [['0.0.0.0']],
    [['100.100.100.200']],
    [['127.0.0.1', '169.254.169.254']],
    [[]],
  ])('that resolves to %j is not called', async (addresses) => {
    expect(await post(clientOf('shop.example', resolving(addresses)))).toMatchObject({
      delivered: false,
      error: 'FORBIDDEN_ADDRESS',
    });
    expect(receiver.connections).toBe(0);
  });

  it('is resolved once for each connection, so that another answer a moment later changes nothing', async () => {
    const client = clientOf('shop.example', resolving(['127.0.0.1'], ['169.254.169.254']));
    expect(await post(client)).toMatchObject({ delivered: true });
    expect(receiver.requests[0]).toContain(`Host: shop.example:${receiver.port}`);
    // The receiver closed the connection, so the next one resolves again.
    expect(await post(client)).toMatchObject({ delivered: false, error: 'FORBIDDEN_ADDRESS' });
    expect(receiver.connections).toBe(1);
  });

  it.each(['169.254.169.254', '[fe80::1]', '[::ffff:a9fe:a9fe]', '0.0.0.0'])(
    'that is the address %s is not called, though no name is resolved',
    async (host) => {
      const asked: string[] = [];
      const client = clientOf(host, (name, _options, done) => {
        asked.push(name);
        done(null, [{ address: '127.0.0.1', family: 4 }]);
      });
      expect(await post(client)).toMatchObject({ delivered: false, error: 'FORBIDDEN_ADDRESS' });
      expect(asked).toEqual([]);
    },
  );
});
