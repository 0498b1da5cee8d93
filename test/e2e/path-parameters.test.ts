import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { bearer, codeOf, login } from '../helpers/client.js';

/** Every documented call with a parameter in its path. */
async function callsWithParameter(): Promise<[string, string][]> {
  const { paths } = JSON.parse(await readFile('docs/openapi.json', 'utf8')) as {
    paths: Record<string, object>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    path.includes('{')
      ? Object.keys(methods).map((method): [string, string] => [method.toUpperCase(), path])
      : [],
  );
}

const CALLS = await callsWithParameter();

describe('a path parameter of any length', () => {
  let node: TestApp;
  let admin: string;
  beforeAll(async () => {
    node = await createTestApp();
    admin = (await login(node)).access_token;
  });
  afterAll(() => node.close());

  it('is in several documented calls', () => {
    expect(CALLS.length).toBeGreaterThan(5);
  });

  it.each(CALLS)('is judged by %s %s itself and not by the router', async (method, path) => {
    for (const value of ['x'.repeat(257), 'x'.repeat(12_000), '%C3%A4'.repeat(2_000)]) {
      const reply = await node.app.inject({
        method: method as 'PUT',
        url: path.replace(/\{\w+\}/, value),
        ...bearer(admin),
        ...(method === 'PUT' || method === 'PATCH' ? { payload: {} } : {}),
      });
      // Every text could be the id of a key, so a long one is an unknown key.
      const expected = path.endsWith('{kid}')
        ? [404, 'not_found']
        : [400, path.endsWith('{external_id}') ? 'validation_failed' : 'malformed_request'];
      expect([reply.statusCode, codeOf(reply)]).toEqual(expected);
      expect(reply.body).not.toContain(value.slice(0, 100));
    }
  });
});
