import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { KeyView } from '../../../src/tokens/keys/key-administration.service.js';
import { TEST_SECRET } from '../../helpers/app.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

describe('npm run keys', () => {
  let db: TestDatabase;
  let folder: string;
  const argv = process.argv;

  beforeAll(async () => {
    db = await createTestDatabase();
    folder = mkdtempSync(join(tmpdir(), 'keys-cli-'));
  });
  afterEach(() => {
    process.argv = argv;
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await db.drop();
  });

  /** Runs the program once in this process: what it printed, and the code that it ended with. */
  async function run(args: readonly string[], env: Record<string, string> = {}) {
    const printed = { out: '', err: '' };
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((printed.out += String(text)), true));
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((printed.err += String(text)), true));
    const given = {
      DATABASE_URL: db.url,
      DATA_DIR: folder,
      KEYS_DIR: join(folder, 'keys'),
      JWT_SECRET: TEST_SECRET,
    };
    for (const [name, value] of Object.entries({ ...given, RSA_MODULUS_BITS: '2048', ...env }))
      vi.stubEnv(name, value);
    process.argv = ['node', 'keys', ...args];
    // A program listens once in its life; here it runs many times in one process.
    const outputs = [process.stdout, process.stderr].map((output) => ({
      output,
      before: output.listeners('error'),
    }));
    vi.resetModules();
    const code = await new Promise((resolve, reject) => {
      vi.spyOn(process, 'exit').mockImplementation(((exit: number) => resolve(exit)) as never);
      import('../../../src/tokens/keys/keys.cli.js').catch(reject);
    });
    for (const { output, before } of outputs)
      for (const listener of output.listeners('error'))
        if (!before.includes(listener)) output.off('error', listener as () => void);
    vi.restoreAllMocks();
    return { code, ...printed };
  }
  const keysOf = (out: string) => (JSON.parse(out) as { keys: KeyView[] }).keys;

  it('lists, rotates and distrusts', async () => {
    const listed = await run(['list']);
    expect(listed).toMatchObject({ code: 0, err: '' });
    expect(listed.out).toMatch(/^current +[\w-]{43} signs from \d{4}-/);
    const rotated = await run(['rotate', '--json']);
    const [current, next] = keysOf(rotated.out);
    expect([current?.state, next?.state]).toEqual(['current', 'next']);
    const distrusted = await run(['distrust', current!.kid, '--json']);
    expect(keysOf(distrusted.out).map(({ kid, state }) => [kid, state])).toEqual(
      expect.arrayContaining([
        [current!.kid, 'distrusted'],
        [next!.kid, 'current'],
      ]),
    );
  });

  it('says so when there is no such key', async () => {
    expect(await run(['distrust', 'nothing'])).toEqual({
      code: 1,
      out: '',
      err: 'There is no key nothing\n',
    });
  });

  it('explains itself when asked to, and when it does not understand', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Usage:') });
    expect(await run([])).toMatchObject({ code: 2 });
    for (const args of [['burn'], ['list', 'all'], ['distrust'], ['distrust', 'a', 'b']])
      expect(await run(args)).toMatchObject({ code: 2 });
  });

  it('says in one line what is wrong, and changes nothing, with another secret', async () => {
    const wrong = await run(['rotate'], { JWT_SECRET: 'YW5vdGhlciBzZWNyZXQgb2YgYSB0ZXN0IDAxMjM0NTY' });
    expect(wrong).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringMatching(/^JWT_SECRET is not [^\n]+\n$/),
    });
  });
});
