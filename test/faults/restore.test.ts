import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { admin } from '../helpers/command-line.js';
import { NodeProcess } from '../helpers/node-process.js';
import { login, logout, refresh, tryRefresh, verify } from '../helpers/remote-client.js';

const execute = promisify(execFile);

/** Milliseconds: seals are made about every ten seconds. */
const SEALED_WITHIN = 60_000;

let node: NodeProcess | undefined;
afterAll(() => node?.remove());

/** What docs/operations/backup-and-restore.md says, with a copy of the files of the embedded server as the backup. */
it('a restore undoes everything since the backup, as the documents say', async () => {
  node = await NodeProcess.start({});
  const { folder, environment } = node;
  const [cluster, backup] = [join(folder, 'data', 'postgres'), join(folder, 'backup')];
  const noted = () => readFile(join(folder, 'data', 'audit-head.json'), 'utf8').catch(() => '');
  const audit = (...more: readonly string[]) => admin(environment, folder, ['audit', 'verify', ...more]);

  const [refreshed, revoked] = [await login(node), await login(node)];
  await until(async () => (await noted()) !== '', SEALED_WITHIN);
  await node.end();
  await execute('cp', ['-a', cluster, backup]);

  const before = await noted();
  node = await NodeProcess.start({ folder });
  const successor = await refresh(node, refreshed.refresh_token);
  const created = await login(node);
  expect((await logout(node, revoked.access_token)).status).toBe(204);
  await until(async () => (await noted()) !== before, SEALED_WITHIN);
  await node.end();
  await rm(cluster, { recursive: true });
  await execute('cp', ['-a', backup, cluster]);

  node = await NodeProcess.start({ folder });
  expect((await tryRefresh(node, created.refresh_token)).code).toBe('refresh_token_invalid');
  expect((await tryRefresh(node, successor.refresh_token)).code).toBe('refresh_token_invalid');
  expect((await verify(node, revoked.access_token)).status).toBe(204);
  const again = await refresh(node, refreshed.refresh_token);
  expect(again.refresh_token).toBe(successor.refresh_token);
  await refresh(node, successor.refresh_token);

  const found = await audit();
  expect([found.code, found.out]).toEqual([
    1,
    expect.stringMatching(/the chain was truncated[^]*NOT INTACT/),
  ]);
  expect((await audit('--accept')).code).toBe(0);
  expect((await audit()).code).toBe(0);
});
