import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KeyView } from '../../../src/tokens/keys/key-administration.service.js';
import { TEST_SECRET } from '../../helpers/app.js';
import { runHere } from '../../helpers/command-here.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

describe('the keys command', () => {
  let db: TestDatabase;
  let folder: string;

  beforeAll(async () => {
    db = await createTestDatabase();
    folder = mkdtempSync(join(tmpdir(), 'keys-command-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await db.drop();
  });

  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    runHere(['keys', ...args], {
      DATABASE_URL: db.url,
      DATA_DIR: folder,
      KEYS_DIR: join(folder, 'keys'),
      JWT_SECRET: TEST_SECRET,
      RSA_MODULUS_BITS: '2048',
      ...env,
    });
  const keysOf = (out: string) => (JSON.parse(out) as { keys: KeyView[] }).keys;

  it('lists, rotates and distrusts keys', async () => {
    const listed = await run(['list']);
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(listed.out).toMatch(/current +[\w-]{43} +\d{4}-/);
    const rotated = await run(['rotate', '--json']);
    expect(rotated).toMatchObject({ code: 0, err: '' });
    const [current, next] = keysOf(rotated.out);
    expect([current?.state, next?.state]).toEqual(['current', 'next']);
    const distrusted = await run(['distrust', current!.kid, '--json']);
    expect(distrusted).toMatchObject({ code: 0, err: '' });
    expect(keysOf(distrusted.out).map(({ kid, state }) => [kid, state])).toEqual(
      expect.arrayContaining([
        [current!.kid, 'distrusted'],
        [next!.kid, 'current'],
      ]),
    );
    const events = await db.database.query<{ cause: string; user_agent: string }>(
      `SELECT cause, user_agent FROM audit_events WHERE event = 'key' AND cause <> 'created' ORDER BY id`,
    );
    expect(events.map(({ cause }) => cause)).toEqual(['rotated', 'distrusted']);
    for (const { user_agent } of events) expect(user_agent).toMatch(/^tandem command line/);
  });

  it('exits with 1 if there is no such key', async () => {
    expect(await run(['distrust', 'nothing'])).toEqual({
      code: 1,
      out: '',
      err: 'There is no key nothing\n',
    });
  });

  it('prints help on request and exits with 2 for usage errors', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage:') });
    for (const args of [[], ['burn'], ['list', 'all'], ['distrust'], ['distrust', 'a', 'b']])
      expect(await run(args)).toMatchObject({ code: 2 });
  });

  it('exits with 78 and changes nothing if the secret differs', async () => {
    const wrong = await run(['rotate'], { JWT_SECRET: 'YW5vdGhlciBzZWNyZXQgb2YgYSB0ZXN0IDAxMjM0NTY' });
    expect(wrong).toMatchObject({
      code: 78,
      out: '',
      err: expect.stringMatching(/^JWT_SECRET is not [^\n]+\n$/),
    });
  });

  it('is what npm run keys starts', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['keys']).toBe(`${scripts['admin']} keys`);
  });
});
