import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, login } from '../helpers/client.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Operations below `/admin` that exist in every release. A list that lost one would prove nothing of it. */
const KNOWN = ['POST /admin/users', 'POST /admin/tokens/revoke', 'POST /admin/clients', 'GET /admin/audit'];

describe('every operation below /admin', () => {
  let node: TestApp;
  let operations: readonly { readonly method: Method; readonly url: string }[];
  beforeAll(async () => {
    node = await createTestApp();
    const { paths } = (await node.app.inject({ url: '/docs/openapi.json' })).json<{
      paths: Record<string, Record<string, unknown>>;
    }>();
    operations = Object.entries(paths)
      .filter(([path]) => path.startsWith('/admin'))
      .flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => ({
          method: method.toUpperCase() as Method,
          url: path.replaceAll(/\{\w+\}/g, randomUUID()),
        })),
      );
  });
  afterAll(() => node.close());

  async function answers(headers: Record<string, string>): Promise<string[]> {
    const replies: string[] = [];
    for (const { method, url } of operations) {
      const reply = await node.app.inject({ method, url, headers });
      replies.push(`${method} ${url}: ${reply.statusCode} ${codeOf(reply)}`);
    }
    return replies;
  }

  it('is documented in OpenAPI, so that these tests find it', () => {
    const described = operations.map(({ method, url }) => `${method} ${url}`);
    expect(described).toEqual(expect.arrayContaining(KNOWN));
  });

  it('answers 401 without a token', async () => {
    expect((await answers({})).filter((reply) => !reply.endsWith(': 401 token_missing'))).toEqual([]);
  });

  it('answers 403 to a user who is not an administrator', async () => {
    const { access_token } = await login(node, await aUser(node));
    const replies = await answers(bearer(access_token).headers);
    expect(replies.filter((reply) => !reply.endsWith(': 403 forbidden'))).toEqual([]);
  });
});
