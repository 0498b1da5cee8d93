import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { OAuthClientService } from '../../../src/oauth/oauth-client.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { TEST_SECRET } from '../../helpers/app.js';
import { sql } from '../../helpers/client.js';
import { runHere } from '../../helpers/command-here.js';

interface Shown {
  readonly client_id: string;
  readonly client_secret: string;
  readonly scopes: readonly string[];
}

describe('the clients command', () => {
  let node: TestApp;
  let folder: string;

  beforeAll(async () => {
    node = await createTestApp();
    folder = mkdtempSync(join(tmpdir(), 'clients-command-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await node.close();
  });

  const run = (...args: readonly string[]) =>
    runHere(['clients', ...args], {
      DATABASE_URL: node.db.url,
      DATA_DIR: folder,
      KEYS_DIR: folder,
      JWT_SECRET: TEST_SECRET,
    });
  const scopesOf = async (secret: string, id: string) =>
    (await node.app.get(OAuthClientService).authenticate(id, secret))?.scopes;

  it('registers, changes, renews and disables a client that running nodes know at once', async () => {
    const made = JSON.parse((await run('create', 'billing', '--scopes', 'users', '--json')).out) as Shown;
    expect(made).toMatchObject({ scopes: ['users'] });
    expect(await scopesOf(made.client_secret, made.client_id)).toEqual(['users']);
    const changed = await run('change', made.client_id, '--scopes', 'revocations', 'introspect');
    expect(changed).toMatchObject({
      code: 0,
      out: `changed: ${made.client_id}, scopes introspect revocations\n`,
    });
    expect(await scopesOf(made.client_secret, made.client_id)).toEqual(['introspect', 'revocations']);
    const renewed = (await run('renew-secret', made.client_id)).out;
    const secret = /client_secret {2}(tandem_cs_\S+)/.exec(renewed)![1]!;
    expect(await scopesOf(made.client_secret, made.client_id)).toBeUndefined();
    expect(await scopesOf(secret, made.client_id)).toEqual(['introspect', 'revocations']);
    const list = await run('list');
    expect(list.out).toContain(made.client_id);
    expect(list.out).not.toContain('tandem_cs_');
    expect((await run('disable', made.client_id)).code).toBe(0);
    expect(await scopesOf(secret, made.client_id)).toBeUndefined();
    const events = await sql<{ cause: string; actor_id: string | null; via: string }>(
      node,
      `SELECT cause, actor_id, detail ->> 'via' AS via FROM audit_events
       WHERE event = 'client' AND detail ->> 'client_id' = $1 ORDER BY id`,
      [made.client_id],
    );
    expect(events).toEqual(
      ['created', 'scopes', 'renewed', 'disabled'].map((cause) => ({ cause, actor_id: null, via: 'cli' })),
    );
  });

  it.each([
    [['create', 'x', '--scopes', 'admin'], 2],
    [['create', ' ', '--scopes', 'users'], 1],
    [['change', '00000000-0000-4000-8000-000000000000', '--scopes', 'users'], 1],
    [['change', '00000000-0000-4000-8000-000000000000'], 2],
    [['renew-secret', '00000000-0000-4000-8000-000000000000'], 1],
    [['disable', 'nonsense'], 2],
  ])('refuses %j with exit code %d', async (args, code) => {
    expect(await run(...args)).toMatchObject({ code, out: '' });
  });
});
