import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { edgeConfig, startEdge } from '../helpers/edge-app.js';
import type { EdgeApp } from '../helpers/edge-app.js';
import { exchange, parseResponses, request } from '../helpers/http.js';

const TIME_OUTS = {
  head: 300,
  request: 600,
  silence: 900,
  idle: 400,
  check: 50,
  readinessDelay: 100,
  idleGrace: 100,
  drain: 500,
};

let edge: EdgeApp;

beforeAll(async () => {
  edge = await startEdge(edgeConfig(), { timeOuts: TIME_OUTS });
});

afterAll(() => edge.app.close());

/** Sends one byte after the other and counts on being cut off. */
async function drip(socket: Socket, text: string): Promise<void> {
  for (const byte of text) {
    if (!socket.writable) return;
    socket.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

it.each([
  ['a head', '', `GET /health/live HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(400)}`],
  [
    'a body',
    'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n',
    'y'.repeat(400),
  ],
])('answers 408 to a client that drips %s, and serves others meanwhile', async (_name, start, slow) => {
  const socket = connect(edge.port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk)).on('error', () => undefined);
  const closed = once(socket, 'close');
  socket.write(start);
  const dripping = drip(socket, slow);
  const [other] = await exchange(edge.port, request('GET', '/health/live'));
  expect(other?.status).toBe(200);
  await closed;
  await dripping;
  const [response] = parseResponses(Buffer.concat(received));
  expect(response?.status).toBe(408);
  expect(JSON.parse(response!.body)).toMatchObject({ code: 'request_timeout' });
});

it('closes inactive connections, before and after a request', async () => {
  for (const bytes of ['', request('GET', '/health/live')]) {
    const responses = await exchange(edge.port, bytes, { enough: 99, patience: 5_000 });
    expect(responses.length).toBeLessThanOrEqual(1);
  }
});

it('answers requests in flight when it stops, refuses new connections, and does not wait forever', async () => {
  const own = await startEdge(edgeConfig(), {
    timeOuts: { ...TIME_OUTS, head: 60_000, request: 60_000, silence: 60_000 },
  });
  const body = '{"username":"u","password":"p"}';
  const whole = request('POST', '/auth/login', { body });
  const open = () => connect(own.port, '127.0.0.1').on('error', () => undefined);
  const [finishing, hanging, idle] = [open(), open(), open()];
  const answer: Buffer[] = [];
  finishing.on('data', (chunk) => answer.push(chunk));
  const closed = [finishing, hanging, idle].map((socket) => once(socket, 'close'));
  for (const socket of [finishing, hanging]) socket.write(whole.subarray(0, -5));
  await expect.poll(() => connectionsOf(own)).toBe(3);
  const stopped = own.app.close();
  const server = own.app.getHttpServer() as import('node:http').Server;
  await expect.poll(() => server.listening).toBe(false);
  finishing.write(whole.subarray(-5));
  await Promise.all([stopped, ...closed]);
  const [response] = parseResponses(Buffer.concat(answer));
  expect(response?.status).toBe(200);
  expect(response?.headers['connection']).toBe('close');
  await expect(fetch(`http://127.0.0.1:${own.port}/health/live`)).rejects.toThrow();
});

function connectionsOf({ app }: EdgeApp): Promise<number> {
  const server = app.getHttpServer() as import('node:http').Server;
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
