import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEdge } from '../helpers/edge-app.js';
import type { EdgeApp } from '../helpers/edge-app.js';
import { exchange, request } from '../helpers/http.js';
import type { RawResponse } from '../helpers/http.js';

let edge: EdgeApp;

beforeAll(async () => {
  edge = await startEdge();
});

afterAll(() => edge.app.close());

function login(body: string | Buffer, headers: Record<string, string> = {}): Buffer {
  return request('POST', '/auth/login', { body, headers });
}

function expectProblem(response: RawResponse | undefined, status: number, code: string): void {
  expect(response?.status).toBe(status);
  expect(response?.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(response?.headers['x-request-id']).toMatch(/^[\w.-]{1,64}$/);
  expect(response?.headers['cache-control']).toBe('no-store');
  const body = JSON.parse(response!.body) as Record<string, unknown>;
  expect(body).toMatchObject({ status, code, type: `urn:tandem:error:${code}` });
  expect(body['request_id']).toBe(response?.headers['x-request-id']);
  expect(response?.body).not.toMatch(/node_modules|\.[jt]s\b|\n/);
}

const VALID = JSON.stringify({ username: 'u', password: 'p' });
const MEGABYTE = 'a'.repeat(1024 * 1024);
const NESTED = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;

describe('an invalid body', () => {
  it.each([
    ['numbers where text belongs', '{"username":1,"password":2}'],
    ['nothing', ''],
    ['null', 'null'],
    ['an array', '[]'],
    ['text', '"username"'],
    ['a number', '5'],
    ['arrays where text belongs', '{"username":[],"password":[[]]}'],
    ['objects where text belongs', '{"username":{"$ne":1},"password":{"toString":1}}'],
    ['an unknown field', '{"username":"u","password":"p","admin":true}'],
    ['a nested unknown field', '{"username":"u","password":"p","parts":[{"name":"n","x":1}]}'],
    ['a null part', '{"username":"u","password":"p","parts":[null]}'],
    ['an array as a part', '{"username":"u","password":"p","parts":[["name"]]}'],
    ['too many parts', `{"username":"u","password":"p","parts":[${'1,'.repeat(5000)}1]}`],
    ['NUL', '{"username":"a\\u0000b","password":"p"}'],
    ['a lone surrogate', '{"username":"\\ud800","password":"p"}'],
    ['the other half of a surrogate', '{"username":"u","password":"x\\udfff"}'],
    ['NUL in a key', '{"username":"u","password":"p","a\\u0000":1}'],
    ['deep nesting', `{"username":${NESTED},"password":"p"}`],
    ['deep arrays', `{"username":${'['.repeat(20_000)}${']'.repeat(20_000)},"password":"p"}`],
    ['the key prototype', '{"username":"u","password":"p","prototype":{}}'],
    ['a text that is too long', `{"username":"${'u'.repeat(300)}","password":"p"}`],
  ])('refuses %s as validation_failed', async (_name, body) => {
    const [response] = await exchange(edge.port, login(body));
    expectProblem(response, 400, 'validation_failed');
  });

  it.each([
    ['no JSON', '{"username":'],
    ['white space', ' '],
    ['a key __proto__', '{"username":"u","password":"p","__proto__":{"admin":true}}'],
    ['an escaped key __proto__', '{"username":"u","password":"p","__pr\\u006fto__":{"admin":true}}'],
    ['a key constructor.prototype', '{"username":"u","password":"p","constructor":{"prototype":{}}}'],
    ['broken UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])],
    ['an encoded surrogate', Buffer.from('{"username":"\xed\xa0\x80","password":"p"}', 'latin1')],
    ['UTF-16', Buffer.from(VALID, 'utf16le')],
  ])('refuses %s as malformed_request', async (_name, body) => {
    const [response] = await exchange(edge.port, login(body));
    expectProblem(response, 400, 'malformed_request');
  });

  it('refuses the key constructor', async () => {
    const [response] = await exchange(edge.port, login('{"username":"u","password":"p","constructor":1}'));
    expectProblem(response, 400, 'validation_failed');
  });

  it('names nested fields with dots, and no more than 32 of them', async () => {
    const parts = '{"username":"u","password":"p","parts":[{"name":1}]}';
    const [nested] = await exchange(edge.port, login(parts));
    expect(JSON.parse(nested!.body)).toMatchObject({ errors: [{ field: 'parts.0.name' }] });
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, 1]));
    const [flood] = await exchange(edge.port, login(JSON.stringify(many)));
    expect((JSON.parse(flood!.body) as { errors: unknown[] }).errors).toHaveLength(32);
  });

  it('accepts a valid body in any language', async () => {
    const [response] = await exchange(edge.port, login(JSON.stringify({ username: '張👩‍🚀é', password: 'p' })));
    expect(response?.status).toBe(200);
    expect(JSON.parse(response!.body)).toEqual({ username: '張👩‍🚀é' });
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/xml',
    'rubbish',
  ])('refuses the content type %s', async (type) => {
    const [response] = await exchange(edge.port, login(VALID, { 'Content-Type': type }));
    expectProblem(response, 415, 'unsupported_media_type');
  });

  it('refuses a megabyte with a length or in chunks', async () => {
    const [announced] = await exchange(edge.port, login(MEGABYTE));
    expectProblem(announced, 413, 'payload_too_large');
    const head =
      'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const [chunked] = await exchange(edge.port, [head, `100000\r\n${MEGABYTE}\r\n0\r\n\r\n`]);
    expectProblem(chunked, 413, 'payload_too_large');
  });

  it.each(['gzip', 'GZIP', 'br', 'deflate', 'zstd', 'identity, gzip', 'rubbish'])(
    'refuses a body with the content coding %s as unsupported_media_type',
    async (coding) => {
      const [response] = await exchange(edge.port, login(gzipSync(VALID), { 'Content-Encoding': coding }));
      expectProblem(response, 415, 'unsupported_media_type');
      expect(response?.headers['accept-encoding']).toBe('identity');
    },
  );

  it('refuses a body with a transfer coding besides chunked', async () => {
    const body = gzipSync(VALID);
    const head =
      'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n';
    const [response] = await exchange(edge.port, [
      head,
      `${body.length.toString(16)}\r\n`,
      body,
      '\r\n0\r\n\r\n',
    ]);
    expectProblem(response, 415, 'unsupported_media_type');
  });

  it('accepts a body whose content coding is identity', async () => {
    const [response] = await exchange(edge.port, login(VALID, { 'Content-Encoding': 'identity' }));
    expect(response?.status).toBe(200);
  });

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/xml',
    'rubbish',
  ])('treats an empty body of the type %s as no body', async (type) => {
    const head = `POST /empty HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n`;
    for (const rest of [
      'Content-Length: 0\r\n\r\n',
      '\r\n',
      'Content-Length: 0\r\nContent-Encoding: gzip\r\n\r\n',
    ]) {
      const [response] = await exchange(edge.port, head + rest);
      expect([rest, response?.status, response?.body]).toEqual([rest, 200, '{"fields":0}']);
    }
  });

  it('treats an empty body as no body when it comes in chunks, and when the method is DELETE', async () => {
    const head = 'POST /empty HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const [chunked] = await exchange(edge.port, `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`);
    expect([chunked?.status, chunked?.body]).toEqual([200, '{"fields":0}']);
    const [deleted] = await exchange(
      edge.port,
      request('DELETE', '/items/1', {
        headers: { 'Content-Type': 'application/json', 'Content-Length': '0' },
      }),
    );
    expect(deleted?.status).toBe(204);
  });

  it('refuses queries of the wrong type and keys of prototypes in them', async () => {
    for (const query of [
      'limit=x',
      'limit=1&limit=2',
      'other=1',
      '__proto__=1',
      'constructor=1',
      'limit=%00',
      'limit[a]=1',
    ]) {
      const [response] = await exchange(edge.port, request('GET', `/items?${query}`));
      expectProblem(response, 400, 'validation_failed');
    }
    const [good] = await exchange(edge.port, request('GET', '/items?limit=3'));
    expect(good?.body).toBe('{"limit":3}');
  });
});

describe('invalid HTTP', () => {
  const HEAD = 'Host: x\r\nContent-Type: application/json\r\n';

  it.each([
    ['rubbish', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['an unknown method', `BREW /auth/login HTTP/1.1\r\n${HEAD}\r\n`],
    ['an unknown version', `GET / HTTP/9.9\r\n${HEAD}\r\n`],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost x\r\n\r\n'],
    ['NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: a\0b\r\n\r\n'],
    ['no host', 'GET /health/live HTTP/1.1\r\n\r\n'],
    [
      'chunks of rubbish',
      `POST /auth/login HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\nrubbish\r\n`,
    ],
    [
      'a length and chunks',
      `POST /auth/login HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['two lengths', `POST /auth/login HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`],
    ['a negative length', `POST /auth/login HTTP/1.1\r\n${HEAD}Content-Length: -4\r\n\r\nabcd`],
    [
      'an absurd length',
      `POST /auth/login HTTP/1.1\r\n${HEAD}Content-Length: 99999999999999999999999\r\n\r\nabcd`,
    ],
  ])('refuses %s', async (_name, bytes) => {
    const [response] = await exchange(edge.port, Buffer.from(bytes, 'latin1'));
    expectProblem(response, 400, 'malformed_request');
  });

  it('refuses a flood of headers, a token of a megabyte and a target of a megabyte', async () => {
    const flood = Array.from({ length: 3000 }, (_, index) => `X-${index}: ${index}\r\n`).join('');
    for (const bytes of [
      `GET /health/live HTTP/1.1\r\nHost: x\r\n${flood}\r\n`,
      request('GET', '/health/live', { headers: { Authorization: `Bearer ${MEGABYTE}` } }),
      request('GET', `/${MEGABYTE}`),
    ]) {
      const [response] = await exchange(edge.port, bytes);
      expectProblem(response, 431, 'headers_too_large');
      expect(response?.headers['connection']).toBe('close');
    }
  });

  it('refuses an expectation that it cannot meet', async () => {
    const [response] = await exchange(
      edge.port,
      request('GET', '/health/live', { headers: { Expect: 'miracles' } }),
    );
    expectProblem(response, 417, 'expectation_failed');
  });

  it.each([
    ['//', 404],
    ['/%00', 404],
    ['/%ff', 400],
    ['/items/%ff', 400],
    ['/items/%', 400],
    ['/items/%E0%A4%A', 400],
    ['/../../etc/passwd', 404],
    ['/docs/../../../package.json', 403],
    ['/docs/%2e%2e/%2e%2e/package.json', 403],
    ['/health/live/', 404],
    ['/HEALTH/LIVE', 404],
    ['//health/live', 404],
    ['/__proto__', 404],
    ['*', 404],
    ['http://[bad/health/live', 400],
  ])('answers the target %s with %i', async (target, status) => {
    const [response] = await exchange(edge.port, request('GET', target));
    expect(response?.status).toBe(status);
    expect(response?.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(response?.headers['x-request-id']).toBeDefined();
  });

  it('accepts a target in absolute form', async () => {
    const [response] = await exchange(edge.port, request('GET', 'http://other.example/health/live'));
    expect(response?.status).toBe(200);
  });

  it('answers pipelined requests in order', async () => {
    const bytes = ['1', '2', '3'].map((id) => request('GET', `/items/${id}`));
    const responses = await exchange(edge.port, [...bytes, request('GET', '/nowhere')], { enough: 4 });
    expect(responses.map(({ body }) => (JSON.parse(body) as { id?: string }).id)).toEqual([
      '1',
      '2',
      '3',
      undefined,
    ]);
    expect(responses.at(-1)?.status).toBe(404);
  });

  it('does not stop the service from answering valid requests', async () => {
    const [response] = await exchange(edge.port, request('GET', '/health/live'));
    expect(response).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  });
});
