import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codecOf } from '../../../src/transition/sessions/http/cookie-codec.js';
import { presetLayout } from '../../../src/transition/sessions/table/session-layout.js';
import { SessionTable } from '../../../src/transition/sessions/table/session-table.js';

describe('the cookie of a preset', () => {
  const signed = codecOf({ sessionPreset: 'better-auth' });

  it('of better-auth is the token with its HMAC in base64 with padding', () => {
    const cookie = signed.write('token', 'secret');
    expect(cookie).toBe('token.6UERDj0r/oJiHw4+FDRzDXMF0QbF9oyHFl0LJ6RhGko=');
    expect(signed.verify(cookie, 'secret')).toBe('token');
  });

  it('of better-auth is refused under another secret, without a signature and in another spelling', () => {
    const cookie = signed.write('token', 'secret');
    for (const [text, secret] of [
      [cookie, 'other'],
      ['token', 'secret'],
      ['token.', 'secret'],
      [cookie.slice(0, -1), 'secret'],
      [`${cookie}=`, 'secret'],
      [`${cookie} `, 'secret'],
      [cookie.slice(5), 'secret'],
    ] as const)
      expect(signed.verify(text, secret)).toBeUndefined();
  });

  it('of better-auth survives any token, also one with dots', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (token) => {
        expect(signed.verify(signed.write(token, 'secret'), 'secret')).toBe(token);
      }),
    );
  });

  it('of Auth.js is the bare token, and other text is no token', () => {
    const bare = codecOf({ sessionPreset: 'authjs' });
    const token = '6f4dbd11-5a0c-4f1c-9c5e-5d0f3d3a8a11';
    expect(bare.write(token, '')).toBe(token);
    expect(bare.verify(token, 'any')).toBe(token);
    for (const text of ['', 'short', `${token}\0`, `${token} `, token.repeat(10)])
      expect(bare.verify(text, 'any')).toBeUndefined();
  });

  it('of knex and sequelize is that of express-session', () => {
    expect(codecOf({ sessionPreset: 'knex' }).write('id', 'secret')).toBe(codecOf({}).write('id', 'secret'));
    expect(codecOf({ sessionPreset: 'sequelize' }).write('id', 'secret')).toMatch(
      /^s:id\.[A-Za-z0-9+/]{43}$/,
    );
  });
});

describe('the layout of a table', () => {
  const layout = presetLayout(
    { sid: 'session"Token', expire: 'expires', sess: undefined, user: 'userId' },
    {
      id: { type: 'text', hasDefault: false },
      'session"Token': { type: 'text', hasDefault: false },
      expires: { type: 'timestamp without time zone', hasDefault: false },
      userId: { type: 'uuid', hasDefault: false },
      updatedAt: { type: 'timestamp without time zone', hasDefault: false },
      created_at: { type: 'timestamp with time zone', hasDefault: true },
    },
    { path: "/it's" },
  );
  const table = new SessionTable('public', 'Session', false, false, layout);

  it('quotes names and text, and reads times without a zone as UTC', () => {
    expect(table.rows).toBe(
      `(SELECT "session""Token" AS sid, '{"cookie":{"path":"/it''s"}}'::json AS sess, ` +
        `"expires" AT TIME ZONE 'UTC' AS expire, "userId"::text AS held_user FROM "public"."Session")`,
    );
    expect(table.stored('now()')).toBe(`(now()) AT TIME ZONE 'UTC'`);
  });

  it('fills the columns that the library fills and PostgreSQL does not', () => {
    expect(layout.insertion('$1', '$2::json', 'to_timestamp($3)')).toEqual({
      columns: '"session""Token", "userId", "expires", "id", "updatedAt"',
      values: `$1, ($2::json ->> 'user')::uuid, to_timestamp($3) AT TIME ZONE 'UTC', gen_random_uuid()::text, clock_timestamp() AT TIME ZONE 'UTC'`,
    });
  });

  it('of connect-pg-simple is the table itself', () => {
    expect(new SessionTable('public', 'session', false).rows).toBe('"public"."session"');
  });
});
