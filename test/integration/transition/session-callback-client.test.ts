import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Resolver } from '../../../src/config/checked-lookup.js';
import { CallbackClient } from '../../../src/transition/sessions/callback/callback-client.js';

const ANSWER = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n';

/** A product that answers with bytes. */
class RawProduct {
  readonly requests: string[] = [];
  readonly sockets = new Set<Socket>();
  answer: (socket: Socket) => void = (socket) => socket.write(ANSWER);
  readonly server: Server = createServer((socket) => {
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

const resolving =
  (...addresses: readonly string[]): Resolver =>
  (_host, _options, done) =>
    done(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

describe('a call of the session callback', () => {
  let product: RawProduct;
  let clients: CallbackClient[];
  beforeEach(async () => {
    product = new RawProduct();
    clients = [];
    await once(product.server.listen(0, '127.0.0.1'), 'listening');
  });
  afterEach(() => {
    for (const client of clients) client.close();
    for (const socket of product.sockets) socket.destroy();
    product.server.close();
  });

  function clientOf(host = '127.0.0.1', resolver?: Resolver, timeoutMs?: number): CallbackClient {
    const client = new CallbackClient(
      `http://${host}:${product.port}/session`,
      'secret',
      timeoutMs,
      resolver,
    );
    clients.push(client);
    return client;
  }
  const ask = (client: CallbackClient) => client.call({ method: 'GET', cookie: 'sid=1' });

  it('uses a connection again, and another one if the product has just closed it', async () => {
    const client = clientOf();
    await ask(client);
    expect((await ask(client)).status).toBe(401);
    expect(product.sockets.size).toBe(1);
    product.answer = (socket) => {
      product.answer = (next) => next.write(ANSWER);
      socket.resetAndDestroy();
    };
    expect((await ask(client)).status).toBe(401);
    expect(product.sockets.size).toBe(2);
  });

  it('never repeats a POST, which begins a session', async () => {
    const client = clientOf();
    await client.call({ method: 'POST', body: { user: '1' } });
    const before = product.requests.length;
    product.answer = (socket) => socket.resetAndDestroy();
    await expect(client.call({ method: 'POST', body: { user: '1' } })).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    expect(product.requests.slice(before).join('').match(/POST /g)).toHaveLength(1);
  });

  it.each([
    ['127.0.0.1', '169.254.169.254'],
    ['169.254.169.254'],
    ['fe80::1'],
    ['0.0.0.0'],
    ['93.184.216.34'],
    ['10.0.0.1'],
  ])('does not connect without TLS to a name that resolves to %s', async (...addresses) => {
    const client = clientOf('localhost', resolving(...addresses));
    await expect(ask(client)).rejects.toMatchObject({ code: 'FORBIDDEN_ADDRESS' });
    expect(product.sockets.size).toBe(0);
  });

  it('connects to the address that was checked', async () => {
    expect((await ask(clientOf('localhost', resolving('127.0.0.1')))).status).toBe(401);
  });

  it('ignores the proxy variables', async () => {
    const names = ['HTTP_PROXY', 'http_proxy', 'NODE_USE_ENV_PROXY'] as const;
    const before = names.map((name) => process.env[name]);
    try {
      for (const name of names)
        process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : 'http://127.0.0.1:1';
      expect((await ask(clientOf())).status).toBe(401);
    } finally {
      names.forEach((name, index) => {
        if (before[index] === undefined) delete process.env[name];
        else process.env[name] = before[index];
      });
    }
  });

  it.each([
    ['drips its head', 'HTTP/1.1 200 OK\r\nX-A: '],
    ['drips its body', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{'],
    ['says nothing', ''],
  ])('gives up if the product %s', async (_name, text) => {
    product.answer = (socket) => socket.write(text);
    await expect(ask(clientOf(undefined, undefined, 300))).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it.each([
    [
      'a head of more than 8 KiB',
      `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(8_300)}\r\n\r\n`,
      'HPE_HEADER_OVERFLOW',
    ],
    [
      'a body of more than 8 KiB',
      `HTTP/1.1 200 OK\r\nContent-Length: 8300\r\n\r\n${'a'.repeat(8_300)}`,
      'TOO_LONG',
    ],
    [
      'both together',
      `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(5_000)}\r\nContent-Length: 5000\r\n\r\n${'a'.repeat(5_000)}`,
      'TOO_LONG',
    ],
    ['no HTTP', 'hello\r\n\r\n', expect.stringMatching(/^HPE_/)],
  ])('refuses %s', async (_name, text, code) => {
    product.answer = (socket) => socket.write(text);
    await expect(ask(clientOf())).rejects.toMatchObject({ code: code as string });
  });

  it('ends when its caller stops', async () => {
    product.answer = () => undefined;
    const stopped = new AbortController();
    const call = clientOf().call({ method: 'GET', signal: stopped.signal });
    await expect.poll(() => product.requests.length).toBe(1);
    stopped.abort();
    await expect(call).rejects.toMatchObject({ name: 'CallbackFailure' });
  });
});
