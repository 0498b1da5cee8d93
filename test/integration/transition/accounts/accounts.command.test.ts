import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SOURCE, hashOf, productNode, signUp, stored } from '../../../e2e/transition/product-users.js';
import { statusOf } from '../../../e2e/transition/session-client.js';
import { TEST_SECRET, createTestApp } from '../../../helpers/app.js';
import type { TestApp } from '../../../helpers/app.js';
import { login, refresh, sql, tryRefresh } from '../../../helpers/client.js';
import { runHere } from '../../../helpers/command-here.js';

describe('the commands about users whom a product owns', () => {
  let node: TestApp;
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'accounts-command-'));
    node = await productNode({ env: { KEYS_DIR: folder } });
  });
  afterEach(async () => {
    await node.close();
    rmSync(folder, { recursive: true });
  });

  /** Another node on the same database. A run of the program ends the connections of the nodes of this process. */
  const nextNode = (env: Readonly<Record<string, string>> = SOURCE) =>
    createTestApp({ db: node.db, env: { ...env, KEYS_DIR: folder } });

  async function run(args: readonly string[], source: Readonly<Record<string, string>> = SOURCE) {
    const own = { DATABASE_URL: node.db.url, DATA_DIR: folder, KEYS_DIR: folder, JWT_SECRET: TEST_SECRET };
    try {
      return await runHere(['users', ...args], { ...own, ...source });
    } finally {
      vi.unstubAllEnvs();
    }
  }

  it('copy all users over, so that they log in without the product', async () => {
    const known = await signUp(node);
    const unknown = await signUp(node);
    await signUp(node, { hash: '{SHA}of-another-kind' });
    const { refresh_token } = await login(node, { ...known, id: '' });
    const lines = [
      'adopted: 3',
      'without a row in the product, and unchanged: 0',
      'adopted without a password: 0',
      'adopted with a password hash that cannot be checked: 1',
      'adopted under another name: 0',
    ];
    expect(await run(['adopt'])).toEqual({ code: 0, out: `${lines.join('\n')}\n`, err: '' });
    const again = await run(['adopt', '--json']);
    expect([again.code, JSON.parse(again.out)]).toEqual([
      0,
      { adopted: 3, missing: 0, failed: {}, without_password: 0, unusable_password: 1, other_name: [] },
    ]);
    const after = await nextNode({ SESSION_SECRET: SOURCE.SESSION_SECRET });
    try {
      for (const user of [known, unknown]) await login(after, { ...user, id: '' });
      await refresh(after, refresh_token);
    } finally {
      await after.close();
    }
  });

  it('give each of two users who swapped their names the right one', async () => {
    const [one, two] = [await signUp(node), await signUp(node)];
    await run(['adopt']);
    await sql(node, `UPDATE product.accounts SET login = 'in between' WHERE id = $1`, [one.id]);
    await sql(node, `UPDATE product.accounts SET login = $2 WHERE id = $1`, [two.id, one.username]);
    await sql(node, `UPDATE product.accounts SET login = $2 WHERE id = $1`, [one.id, two.username]);
    expect((await run(['adopt'])).out).toContain('adopted under another name: 0\n');
    expect((await stored(node, one.id))!.username).toBe(two.username);
    expect((await stored(node, two.id))!.username).toBe(one.username);
  });

  it('read the ids from a file, count each that cannot be copied, and exit with 1', async () => {
    const user = await signUp(node);
    const gone = await signUp(node);
    await login(node, { ...gone, id: '' });
    await sql(node, 'DELETE FROM product.accounts WHERE id = $1', [gone.id]);
    const file = join(folder, 'ids');
    writeFileSync(file, `${user.id}\r\n\n${user.id + 1_000}\nnot an id\nabc\n`);
    const ran = await run(['adopt', '--ids', file]);
    expect([ran.code, ran.err]).toEqual([1, '']);
    expect(ran.out.split('\n')).toEqual(
      expect.arrayContaining([
        'adopted: 1',
        // One of the file, and one whom Tandem knows.
        'without a row in the product, and unchanged: 2',
        'failed, and unchanged: 1 (the query failed)',
        'failed, and unchanged: 1 (the row has no external_id, or one that is not valid)',
      ]),
    );
    expect(await stored(node, gone.id)).toMatchObject({ disabled: false });
    expect(await stored(node, user.id)).toMatchObject({ username: user.username });
  });

  it('say what is missing: the settings, a list of ids, or the file', async () => {
    const unset = { SESSION_SECRET: SOURCE.SESSION_SECRET };
    for (const command of ['adopt', 'confirm-missing'])
      expect(await run([command], unset)).toMatchObject({
        code: 1,
        out: '',
        err: 'USERS_SOURCE_BY_NAME and USERS_SOURCE_BY_ID are not set: no product owns users\n',
      });
    const byTwo = { ...SOURCE, USERS_SOURCE_BY_ID: SOURCE.USERS_SOURCE_BY_NAME.replace('= $1', 'IN ($1)') };
    expect(await run(['adopt'], byTwo)).toMatchObject({
      code: 1,
      err: expect.stringContaining('--ids FILE') as string,
    });
    expect(await run(['adopt', '--ids', join(folder, 'nothing')])).toMatchObject({
      code: 1,
      err: 'The file cannot be read (ENOENT)\n',
    });
  });

  it('end the alarm about missing users, so that they are logged out', async () => {
    const user = await signUp(node);
    const { refresh_token } = await login(node, { ...user, id: '' });
    await sql(node, 'DELETE FROM product.accounts');
    await sql(node, 'UPDATE source_state SET alarm_since = now()');
    expect(statusOf(await tryRefresh(node, refresh_token))).toBe('503 service_unavailable');
    expect(await run(['confirm-missing'])).toEqual({
      code: 0,
      out: 'confirmed: for 15 minutes, users without a row in the product are logged out\n',
      err: '',
    });
    const after = await nextNode();
    try {
      expect(statusOf(await tryRefresh(after, refresh_token))).toBe('401 refresh_token_revoked');
      expect(await stored(node, user.id)).toMatchObject({ disabled: true });
    } finally {
      await after.close();
    }
  });

  it('copy a hash that is replaced after the first run, and end what began with the old password', async () => {
    const user = await signUp(node);
    const { refresh_token } = await login(node, { ...user, id: '' });
    await run(['adopt']);
    const renewed = hashOf('a new pass phrase');
    await sql(node, 'UPDATE product.accounts SET hash = $2 WHERE id = $1', [user.id, renewed]);
    await run(['adopt']);
    expect(await stored(node, user.id)).toMatchObject({ password_hash: renewed });
    const after = await nextNode();
    try {
      expect(statusOf(await tryRefresh(after, refresh_token))).toBe('401 refresh_token_revoked');
    } finally {
      await after.close();
    }
  });
});
