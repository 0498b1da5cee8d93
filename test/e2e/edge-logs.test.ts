import { afterAll, beforeAll, expect, it } from 'vitest';
import { Logger } from 'nestjs-pino';
import { REDACTED_NAMES } from '../../src/common/logging/log-redaction.js';
import { edgeConfig, startEdge } from '../helpers/edge-app.js';
import type { EdgeApp } from '../helpers/edge-app.js';
import { exchange, request } from '../helpers/http.js';

const SECRET = 'hunter2-secret';
const lines: string[] = [];
let edge: EdgeApp;

beforeAll(async () => {
  const log = { write: (line: string) => void lines.push(line) };
  edge = await startEdge(edgeConfig({ production: true, logLevel: 'trace' }), { log });
});

afterAll(() => edge.app.close());

const CREDENTIALS = {
  Authorization: `Bearer ${SECRET}`,
  Cookie: `refresh_token=${SECRET}; session_id=${SECRET}`,
};

/** Headers that a proxy or an access log might take up. */
const EVERYWHERE = Object.fromEntries(
  [
    'Referer',
    'User-Agent',
    'Origin',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Uri',
    'X-Forwarded-Method',
  ]
    .concat('Forwarded', 'X-Original-Url', 'Accept-Language', 'If-None-Match', SECRET)
    .map((name) => [name, SECRET]),
);

it.each([
  [
    'a login',
    request('POST', '/auth/login', { body: `{"username":"u","password":"${SECRET}"}`, headers: CREDENTIALS }),
  ],
  ['broken JSON', request('POST', '/auth/login', { body: `{"password":"${SECRET}"`, headers: CREDENTIALS })],
  ['JSON that is no object', request('POST', '/auth/login', { body: `"${SECRET}"` })],
  ['a secret as the name of a field', request('POST', '/auth/login', { body: `{"a":{"${SECRET}":1}}` })],
  ['a secret in a query', request('GET', `/items?limit=1&token=${SECRET}`)],
  ['a secret in a query of an unknown path', request('GET', `/nowhere?access_token=${SECRET}`)],
  ['a secret as the name of a property', request('POST', '/auth/login', { body: `{"${SECRET}":1}` })],
  ['a secret in a path', request('GET', `/faults/${SECRET}`)],
  ['a secret behind a known path', request('GET', `/auth/login/${SECRET}/x?a=${SECRET}`)],
  ['a secret as an unknown path', request('GET', `/${SECRET}`)],
  ['an encoded secret in a path', request('GET', `/items/x/${SECRET.replace('-', '%2D')}`)],
  ['a secret in a path of another method', request('DELETE', `/items/${SECRET}`)],
  ['a long secret in a path', request('GET', `/faults/${SECRET.repeat(30)}`)],
  ['a target in absolute form', request('GET', `http://${SECRET}/faults/${SECRET}?${SECRET}`)],
  ['a secret in every header', request('GET', '/nowhere', { headers: EVERYWHERE })],
  ['a bug', request('GET', `/faults/bug?token=${SECRET}`, { headers: CREDENTIALS })],
  ['a header that is none', Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nCookie ${SECRET}\r\n\r\n`)],
  ['a path that a proxy asks about', request('GET', `/auth/verify/${SECRET}?${SECRET}`)],
  ['such a path that is bad', request('POST', `/auth/verify/../%ff/${SECRET}`)],
  ['a bad target', request('GET', `/%ff?token=${SECRET}`, { headers: CREDENTIALS })],
])('nothing of %s that lets anyone in is in the log or the answer', async (_name, bytes) => {
  const [response] = await exchange(edge.port, bytes);
  expect(response?.body).not.toContain(SECRET);
  expect(JSON.stringify(response?.headers)).not.toContain(SECRET);
  expect(lines.join('')).not.toContain(SECRET);
});

it('logs one line for each request, with its id, and the stack of a bug once', async () => {
  lines.length = 0;
  await exchange(edge.port, request('GET', '/faults/bug?a=1', { headers: { 'X-Request-Id': 'r-1' } }));
  await expect.poll(() => lines.length).toBe(2);
  const entries = lines.map((line) => JSON.parse(line) as { level: number; err?: { stack: string } });
  expect(entries[0]).toMatchObject({
    level: 50,
    request_id: 'r-1',
    err: { message: 'the secret inside text' },
  });
  expect(entries[0]?.err?.stack).toContain('edge-app');
  expect(entries[1]).toMatchObject({
    level: 50,
    request_id: 'r-1',
    method: 'GET',
    route: '/faults/:name',
    status: 500,
    ms: expect.any(Number) as number,
  });
});

it('logs success at debug and refusals at info', async () => {
  lines.length = 0;
  await exchange(edge.port, request('GET', '/health/live'));
  await exchange(edge.port, request('GET', '/nowhere'));
  await expect
    .poll(() => lines.map((line) => (JSON.parse(line) as { level: number }).level))
    .toEqual([20, 30]);
});

it('logs nothing that a library attached to an error, and redacts secrets by name', () => {
  lines.length = 0;
  const cause = Object.assign(new Error('failed'), { parameters: [SECRET], query: SECRET, code: '23505' });
  const logger = edge.app.get(Logger);
  logger.error({ err: new Error('outer', { cause }) }, 'an error');
  logger.log({
    headers: { authorization: SECRET, cookie: SECRET },
    dto: { password: SECRET },
    refresh_token: SECRET,
  });
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain(SECRET);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    err: { message: 'outer', cause: { message: 'failed', code: '23505' } },
  });
});

it.each(REDACTED_NAMES)('redacts %s at every depth and in every spelling', (name) => {
  lines.length = 0;
  const logger = edge.app.get(Logger);
  const camel = name.replaceAll(/[-_](.)/g, (_, letter: string) => letter.toUpperCase());
  for (const key of [name, camel, name.toUpperCase()]) {
    logger.log({ [key]: SECRET }, 'first');
    logger.log({ a: { [key]: SECRET } }, 'second');
    logger.log({ a: { b: { [key]: SECRET } } }, 'third');
    logger.log({ a: [{ [key]: SECRET }] }, 'in a list');
    logger.log({ a: { b: { c: { [key]: { d: SECRET } } } } }, 'deep');
  }
  expect(lines).toHaveLength(15);
  expect(lines.join('')).not.toContain(SECRET);
  expect(JSON.parse(lines[0]!)).toMatchObject({ [name]: '[redacted]' });
});

it('redacts client secrets and quoted input wherever an error is logged', () => {
  lines.length = 0;
  const logger = edge.app.get(Logger);
  const error = parseError(SECRET);
  // Otherwise this test says nothing.
  expect((error as Error).message).toContain(SECRET);
  logger.error({ err: error }, 'as err');
  logger.error({ reason: error, list: [error] }, 'under another name');
  logger.error({ err: new Error('outer', { cause: error }) }, 'as a cause');
  logger.error(error);
  expect(lines).toHaveLength(4);
  expect(lines.join('')).not.toContain(SECRET);
  expect(JSON.parse(lines[0]!)).toMatchObject({ err: { type: 'SyntaxError' } });
});

function parseError(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}
