import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, login, sql, tryLogin, verify } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { REVOCATIONS, storeSession } from './revocations.js';
import { SECRET, bySession, trySessionLogin, verifySession } from './session-client.js';

const DEEP = `${'['.repeat(3_000)}${']'.repeat(3_000)}`;

/** Sessions that JavaScript reads, and that name their user: what PostgreSQL or we may stumble over is beside it. */
const NAMING: Readonly<Record<string, (id: string) => string>> = {
  'a number out of range': (id) => `{"userId":"${id}","n":1e200000}`,
  'a negative exponent out of range': (id) => `{"n":[-1E-200000],"userId":"${id}"}`,
  'a number of many digits': (id) => `{"userId":"${id}","n":${'9'.repeat(200_000)}}`,
  NUL: (id) => `{"userId":"${id}","n":"a\\u0000b","\\u0000":1}`,
  'half a surrogate pair': (id) => `{"userId":"${id}","n":["\\ud83d","\\ude00","\\uD800x\\uDFFF"]}`,
  'escapes that only look like one': (id) => `{"userId":"${id}","n":"\\\\u0000 \\\\\\u0000 \\\\ud800"}`,
  'an id in escapes beside NUL': (id) =>
    `{"userId":"\\u00${id.charCodeAt(0).toString(16)}${id.slice(1)}","n":"\\u0000"}`,
  'a key in escapes': (id) => `{"user\\u0049d":"${id}"}`,
  'the same key twice': (id) => `{"userId":"nobody","userId":"${id}"}`,
  'great depth': (id) => `{"n":${DEEP},"userId":"${id}"}`,
  'a megabyte': (id) => `{"n":"${'x'.repeat(1 << 20)}","userId":"${id}"}`,
  'space around it': (id) => ` \n\t{ "userId" :\r"${id}" } `,
};

/** Sessions that name nobody. */
const NAMELESS: Readonly<Record<string, string>> = {
  'a number out of range': '{"n":1e200000}',
  'a number for a user': '{"userId":1e200000}',
  'an object for a user': '{"userId":{"id":1}}',
  'a list for a user': '{"userId":["a"]}',
  'true for a user': '{"userId":true}',
  'null for a user': '{"userId":null}',
  'NUL for a user': '{"userId":"\\u0000"}',
  'half a pair for a user': '{"userId":"\\ud800"}',
  'a very long user': `{"userId":"${'x'.repeat(100_000)}"}`,
  nothing: 'null',
  'a list': '[]',
  'a text': '"userId"',
  'a number': '1e999999',
  'more than is read': `{"userId":"x","n":"${'x'.repeat(5 << 20)}"}`,
  'only depth': DEEP,
};

let node: TestApp;
let user: Account;
beforeAll(async () => {
  node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
});
afterEach(() => sql(node, `DELETE FROM session`));
afterAll(() => node.close());

describe('a session that holds odd JSON', () => {
  it.each(Object.entries(REVOCATIONS))(
    'is revoked by %s, and prevents no other revocation',
    async (_, revoke) => {
      user = await aUser(node);
      const tokens = await login(node, user);
      const naming: Record<string, string> = {};
      for (const [what, text] of Object.entries(NAMING))
        naming[what] = await storeSession(node, text(user.id));
      for (const text of Object.values(NAMELESS)) await storeSession(node, text);
      for (const [what, cookie] of Object.entries(naming))
        expect([what, await verifySession(node, cookie)]).toEqual([what, '204']);
      const reply = await revoke(node, { user, tokens });
      expect([reply.statusCode, reply.body]).toEqual([
        expect.toSatisfy((status) => status < 300),
        reply.body,
      ]);
      for (const [what, cookie] of Object.entries(naming))
        expect([what, await verifySession(node, cookie)]).toEqual([what, '401 session_invalid']);
      const rows = `SELECT 1 FROM session WHERE strpos(sess::text, $1) > 0 AND expire > now()`;
      expect(await sql(node, rows, [user.id])).toEqual([]);
    },
    60_000,
  );

  it.each(Object.entries(NAMELESS))('is refused if it names no user: %s', async (_, text) => {
    expect(await verifySession(node, await storeSession(node, text))).toBe('401 session_invalid');
  });

  it('does not match an external id with the same prefix or a similar JSON spelling', async () => {
    const others = ['true', '{"a":1}', '[1]', 'null', 'x'.repeat(256)];
    const made = await Promise.all(others.map(() => aUser(node)));
    for (const [at, { id }] of made.entries())
      await sql(node, `UPDATE users SET external_id = $2 WHERE id = $1`, [id, others[at]]);
    const texts = [true, { a: 1 }, [1], null, `${'x'.repeat(256)}y`].map((userId) =>
      JSON.stringify({ userId }),
    );
    for (const text of texts)
      expect(await verifySession(node, await storeSession(node, text))).toBe('401 session_invalid');
    expect(await verifySession(node, await storeSession(node, `{"userId":"${'x'.repeat(256)}"}`))).toBe(
      '204',
    );
  });

  it('is found by an external id in any JSON escaping', async () => {
    const { id } = await aUser(node);
    await sql(node, `UPDATE users SET external_id = 'Zoë 😀 \\u0000' WHERE id = $1`, [id]);
    for (const text of [
      `{"userId":"Zo\\u00eb \\ud83d\\ude00 \\\\u0000"}`,
      `{"userId":"Zo\\u00eb \\uD83D\\uDE00 \\\\u0000","n":"\\u0000"}`,
      `{"userId":"Zoë 😀 \\\\u0000","n":"\\ud800 \\u0000"}`,
    ])
      expect([text, await verifySession(node, await storeSession(node, text))]).toEqual([text, '204']);
  });
});

describe('any session row', () => {
  const odd = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '\0',
      '\ud800',
      'a;b',
      '\r\nSet-Cookie: a=b',
      -1,
      1e308,
      {},
      [],
      'NaN',
      '-1',
      'auto',
      true,
      null,
      2 ** 53,
    ),
  );
  const cookie = fc.oneof(
    odd,
    fc.record(
      {
        originalMaxAge: fc.oneof(fc.constantFrom(3_600_000, -3_600_000, 1e300, 0), odd),
        expires: odd,
        maxAge: odd,
        secure: odd,
        httpOnly: odd,
        domain: fc.oneof(
          fc.constantFrom('example.com; HttpOnly', 'a b', '.', 'exa\nmple.com', 'ü.example'),
          odd,
        ),
        path: fc.oneof(fc.constantFrom('/;', '/a\r\nb', 'x', ''), odd),
        sameSite: fc.oneof(fc.constantFrom('Lax', 'NONE', 'none; a=b'), odd),
        partitioned: odd,
        priority: odd,
      },
      { requiredKeys: [] },
    ),
  );
  /** What JSON.stringify never writes and JSON.parse reads. */
  const raw = fc.constantFrom(
    '1e200000',
    '-1E-999999',
    '"\\u0000"',
    '"\\ud800"',
    '"\\uDFFF\\uD800"',
    '[[[[]]]]',
    '0.0',
    '1',
  );
  const row = fc.record({ named: fc.boolean(), userId: odd, cookie, data: fc.jsonValue(), raw });

  beforeAll(async () => {
    user = await aUser(node);
  });

  it('causes no 5xx, and sets no invalid cookie attribute', { timeout: 240_000 }, async () => {
    const admin = await login(node);
    await fc.assert(
      fc.asyncProperty(row, async ({ named, userId, cookie: stored, data, raw: text }) => {
        const held = { userId: named ? user.id : userId, cookie: stored, data };
        const sess = `{"n":${text},${JSON.stringify(held).slice(1)}`;
        const made = await storeSession(node, sess);
        const replies: Reply[] = [];
        const call = async (method: 'GET' | 'POST', url: string, payload?: object) =>
          void replies.push(await bySession(node, made, { method, url, ...(payload && { payload }) }));
        await call('GET', '/api/users/me');
        if (named) expect(replies[0]!.statusCode).toBe(200);
        await call('GET', '/auth/devices');
        await call('GET', '/auth/migration');
        // Due for an extension: its cookie is written anew.
        await sql(node, `UPDATE session SET expire = now() + interval '1 minute'`);
        await call('GET', '/auth/verify');
        await call('POST', '/auth/exchange', {});
        await call('POST', '/api/logout');
        await storeSession(node, sess);
        replies.push(await trySessionLogin(node, user, { cookie: await storeSession(node, sess) }));
        const revoked = await REVOCATIONS['a revocation by an admin']!(node, { user, tokens: admin });
        expect(revoked.statusCode).toBe(200);
        for (const reply of replies) {
          expect([sess, reply.statusCode]).toEqual([sess, expect.toSatisfy((status) => status < 500)]);
          for (const header of [reply.headers['set-cookie'] ?? []].flat())
            expect(header).toMatch(
              /^session_id=[^;]*(?:; (?:Max-Age=\d+|Domain=[\w.-]+|Path=\/[ -:<-~]*|HttpOnly|Secure|Partitioned|Priority=(?:Low|Medium|High)|SameSite=(?:Lax|Strict|None)|Expires=[\w, :]+))*$|^refresh_token=/,
            );
        }
        await sql(node, `DELETE FROM session`);
      }),
      {
        numRuns: 40,
        examples: [
          [
            {
              named: true,
              userId: null,
              cookie: { originalMaxAge: 3_600_000, domain: 'a;b' },
              data: {},
              raw: '1e200000',
            },
          ],
        ],
      },
    );
    expect((await tryLogin(node, user)).statusCode).toBe(200);
    expect(await verify(node, admin.access_token)).toBe('204');
  });

  it('is accepted with any time of expiry', async () => {
    const times = ['infinity', '294276-12-31', '9999-12-31'];
    for (const expire of times) {
      const made = await storeSession(node, `{"userId":"${user.id}","cookie":{"originalMaxAge":1000}}`);
      await sql(node, `UPDATE session SET expire = $1`, [expire]);
      for (const [method, url] of [
        ['GET', '/auth/verify'],
        ['GET', '/auth/devices'],
        ['POST', '/auth/exchange'],
        ['POST', '/api/logout'],
      ] as const)
        expect((await bySession(node, made, { method, url })).statusCode).toBeLessThan(300);
      expect(await verifySession(node, made)).toBe('401 session_invalid');
    }
    const past = await storeSession(node, `{"userId":"${user.id}"}`);
    for (const expire of ['-infinity', '4713-01-01 BC']) {
      await sql(node, `UPDATE session SET expire = $1`, [expire]);
      expect(await verifySession(node, past)).toBe('401 session_invalid');
    }
  });
});
