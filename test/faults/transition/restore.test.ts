import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { ADMIN, NodeProcess } from '../../helpers/node-process.js';
import { tryRefresh } from '../../helpers/remote-client.js';

const execute = promisify(execFile);

let node: NodeProcess | undefined;
afterAll(() => node?.remove());

const by = (cookie: string, method: string, path: string) =>
  fetch(`${node!.url}${path}`, { method, headers: { cookie } });

async function sessionLogin(): Promise<string> {
  const reply = await fetch(`${node!.url}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ADMIN),
  });
  return reply.headers.getSetCookie()[0]!.split(';')[0]!;
}

/** What docs/operations/backup-and-restore.md says, with a copy of the files of the embedded server as the backup. */
it('a restore undoes everything that happened to sessions since the backup, as the documents say', async () => {
  const env = { SESSION_SECRET: 'the same before and after' };
  node = await NodeProcess.start({ env });
  const { folder } = node;
  const [cluster, backup] = [join(folder, 'data', 'postgres'), join(folder, 'backup')];
  const [exchanged, loggedOut] = [await sessionLogin(), await sessionLogin()];
  await node.end();
  await execute('cp', ['-a', cluster, backup]);

  node = await NodeProcess.start({ folder, env });
  const reply = await by(exchanged, 'POST', '/auth/exchange');
  const { refresh_token } = (await reply.json()) as { refresh_token: string };
  expect((await by(loggedOut, 'POST', '/api/logout')).status).toBe(204);
  const created = await sessionLogin();
  await node.end();
  await rm(cluster, { recursive: true });
  await execute('cp', ['-a', backup, cluster]);

  node = await NodeProcess.start({ folder, env });
  expect((await tryRefresh(node, refresh_token)).code).toBe('refresh_token_invalid');
  expect((await by(exchanged, 'GET', '/auth/verify')).status).toBe(204);
  expect((await by(exchanged, 'POST', '/auth/exchange')).status).toBe(200);
  expect((await by(loggedOut, 'GET', '/auth/verify')).status).toBe(204);
  expect((await by(created, 'GET', '/auth/verify')).status).toBe(401);
});
