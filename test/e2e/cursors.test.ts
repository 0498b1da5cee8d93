import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, get, login, post } from '../helpers/client.js';

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
}

interface Described {
  readonly paths: Readonly<Record<string, { readonly get?: Operation }>>;
}

const encoded = (text: string) => encodeURIComponent(Buffer.from(text).toString('base64url'));

/** Cursors that no list writes. Those with a name are close to what a list writes. */
const FOREIGN = [
  'eyJhIjoxfQ',
  '',
  'x',
  '%00',
  '***',
  '..',
  ...[
    '0',
    '1',
    '-1',
    '1e3',
    'zoe',
    'null',
    '{"a":1}',
    '\0',
    'é',
    "' OR 1=1 --",
    '00000000-0000-4000-8000-000000000000',
    'users:',
    'users:\0',
    'users: ',
    'audit:x',
    'audit:-1',
    'audit:0',
    'rollout:1e3',
    'rollout:9999999999',
    'clients:1',
    'tokens:1.x',
    'keys:now x',
    'notices:1',
    `accounts:${'x'.repeat(129)}`,
  ].map(encoded),
];

describe('every list', () => {
  let node: TestApp;
  let admin: string;
  let lists: string[];
  beforeAll(async () => {
    node = await createTestApp();
    await Promise.all([aUser(node), aUser(node)]);
    await login(node);
    admin = (await login(node)).access_token;
    for (const name of ['one', 'two']) await post(node, '/admin/clients', { name }, bearer(admin));
    await post(node, '/admin/keys/rotate', undefined, bearer(admin));
    const { paths } = (await get(node, '/docs/openapi.json')).json<Described>();
    lists = Object.entries(paths)
      .filter(
        ([, { get: operation }]) => operation?.parameters?.some(({ name }) => name === 'cursor') === true,
      )
      .map(([path]) => path);
  });
  afterAll(() => node.close());

  async function refuses(list: string, cursor: string): Promise<void> {
    const reply = await get(node, `${list}?cursor=${cursor}`, admin);
    expect([list, cursor, reply.statusCode]).toEqual([list, cursor, 400]);
    expect(reply.json()).toMatchObject({ code: 'validation_failed', errors: [{ field: 'cursor' }] });
  }

  it('refuses a cursor that it has not written, on the field cursor', async () => {
    expect(lists.length).toBeGreaterThanOrEqual(6);
    for (const list of lists) for (const cursor of FOREIGN) await refuses(list, cursor);
  });

  it('accepts its own next_cursor and refuses that of every other list', async () => {
    const written = new Map<string, string>();
    for (const list of lists) {
      const { next_cursor } = (await get(node, `${list}?limit=1`, admin)).json<{
        next_cursor: string | null;
      }>();
      if (next_cursor !== null) written.set(list, next_cursor);
    }
    expect([...written.keys()]).toEqual(
      expect.arrayContaining([
        '/admin/audit',
        '/admin/clients',
        '/admin/keys',
        '/admin/tokens',
        '/admin/users',
        '/api/users',
      ]),
    );
    for (const list of lists) {
      for (const [writer, cursor] of written) {
        if (writer !== list) await refuses(list, cursor);
        else expect((await get(node, `${list}?cursor=${cursor}`, admin)).statusCode).toBe(200);
      }
    }
  });
});

describe('the OpenAPI document', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp();
  });
  afterAll(() => node.close());

  /** Arrays of strings in the document (`enum`, `required`, `tags` …) that hold one twice, by where they are. */
  function duplicatesIn(value: unknown, path: string): string[] {
    if (typeof value !== 'object' || value === null) return [];
    const deeper = Object.entries(value).flatMap(([key, part]) => duplicatesIn(part, `${path}/${key}`));
    const twice =
      Array.isArray(value) && new Set(value.map((part) => JSON.stringify(part))).size < value.length;
    return twice ? [path, ...deeper] : deeper;
  }

  it('has no value twice in any list, and no parameter twice in any operation', async () => {
    const document = (await get(node, '/docs/openapi.json')).json<object>();
    expect(duplicatesIn({ enum: ['a', 'b', 'a'] }, '')).toEqual(['/enum']);
    expect(duplicatesIn(document, '')).toEqual([]);
  });
});
