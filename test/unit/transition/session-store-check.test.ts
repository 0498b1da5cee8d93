import { describe, expect, it } from 'vitest';
import { signSid } from '../../../src/transition/sessions/stores/express-session.codec.js';
import type {
  ForeignTable,
  ForeignTablesStore,
} from '../../../src/transition/sessions/recognition/foreign-tables.store.js';
import { SessionStoreCheck } from '../../../src/transition/sessions/recognition/session-store.check.js';
import { SessionTable } from '../../../src/transition/sessions/table/session-table.js';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';

const KNEX: ForeignTable = { schema: 'shop', name: 'sessions', columns: ['sid', 'sess', 'expired'] };

const SIGNED = encodeURIComponent(signSid('the-id-of-a-session', 'a secret'));

interface Situation {
  readonly tables?: readonly ForeignTable[];
  readonly isOwn?: boolean;
  readonly settings?: Partial<TransitionConfig>;
}

function check({ tables = [], isOwn = true, settings = {} }: Situation = {}): SessionStoreCheck {
  const config = { sessionCookieName: 'session_id', ...settings } as TransitionConfig;
  const store = { candidates: () => Promise.resolve(tables) } as unknown as ForeignTablesStore;
  return new SessionStoreCheck(store, new SessionTable('tandem', 'session', isOwn), config);
}

describe('the check session_store', () => {
  it('names a table that looks like the sessions of the product, with the setting for it', async () => {
    expect(await check({ tables: [KNEX] }).examine()).toMatchObject([
      {
        level: 'warn',
        message: 'the table shop.sessions looks like sessions of connect-session-knex, and is not used',
        advice: 'set SESSION_PRESET=knex',
      },
    ]);
  });

  it('says where the sessions are if Tandem uses a store of the product', async () => {
    const callback = { url: 'http://127.0.0.1/session', secret: 'x' };
    for (const [situation, message] of [
      [{ settings: { callback } }, 'sessions are in the product, which answers SESSION_CALLBACK_URL'],
      [{ settings: { redis: { url: 'redis://127.0.0.1', prefix: '' } } }, 'sessions are in Redis'],
      [{ isOwn: false }, 'sessions are in the table tandem.session of the product'],
    ] as const)
      expect(await check(situation).examine()).toEqual([{ check: 'session_store', level: 'ok', message }]);
  });

  it('takes the name of the cookie as a hint if there is no table', async () => {
    const settings = { sessionCookieName: 'connect.sid' };
    expect(await check({ settings }).examine()).toMatchObject([
      { level: 'warn', message: expect.stringContaining('connect.sid') },
    ]);
    expect(await check().examine()).toMatchObject([{ level: 'ok' }]);
  });

  it('recognises the library by the value of a cookie with any name', async () => {
    const [finding] = await check().examine(SIGNED);
    expect(finding).toMatchObject({
      level: 'warn',
      message: 'the cookie session_id has the form of express-session',
    });
    expect((await check({ isOwn: false }).examine(SIGNED))[0]).toMatchObject({ level: 'ok' });
  });

  it('names SESSION_COOKIE_NAME if the cookie has another name, and finds it in a whole header', async () => {
    for (const given of [`shop=${SIGNED}`, `Cookie: theme=dark; shop=${SIGNED}; lang=en`])
      expect((await check({ tables: [KNEX] }).examine(given))[0]).toMatchObject({
        level: 'warn',
        message: 'the cookie shop has the form of express-session',
        advice: expect.stringMatching(/^set SESSION_COOKIE_NAME=shop; /),
      });
  });

  it('points to the callback for a cookie that it does not know', async () => {
    expect((await check().examine('something=else'))[0]).toMatchObject({
      level: 'warn',
      advice: expect.stringContaining('SESSION_STORE=callback'),
    });
  });

  it('prints no part of a cookie that it was given', async () => {
    const secrets = [
      '0123456789abcdef',
      'QUJDREVGR0hJSktMTU5PUFFS=x',
      `a-secret-in-front=${'y'.repeat(40)}`,
      SIGNED,
    ];
    for (const secret of secrets) {
      const printed = JSON.stringify(await check().examine(secret));
      for (const part of secret.split(/[=.]/).filter((text) => text.length > 5))
        expect(printed).not.toContain(part);
    }
  });
});
