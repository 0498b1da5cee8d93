import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from 'pg';
import { ensureEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import type { EmbeddedServer } from '../../src/database/embedded/embedded-postgres.js';
import { until } from '../helpers/client.js';
import type { Tokens } from '../helpers/client.js';
import { NodeProcess } from '../helpers/node-process.js';
import { login, logout, refresh, tryLogin, tryRefresh, verify } from '../helpers/remote-client.js';
import type { Answer } from '../helpers/remote-client.js';

const SIZE = '200m';
const MEGABYTE = Buffer.alloc(1_048_576);

/** A small disk of its own; why there is none, where that is not allowed. */
function smallDisk(): { readonly path: string; readonly refusal?: string } {
  const path = mkdtempSync(join(tmpdir(), 'tandem-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=755`, 'tmpfs', path], { stdio: 'pipe' });
    return { path };
  } catch (error) {
    return { path, refusal: `no disk of its own can be mounted here: ${String(error).split('\n')[0]}` };
  }
}

describe('a database whose disk is full', () => {
  const disk = smallDisk();
  let server: EmbeddedServer | undefined;
  let node: NodeProcess | undefined;
  const ballast = join(disk.path, 'ballast');

  beforeAll(async () => {
    if (disk.refusal !== undefined) return;
    chmodSync(disk.path, 0o755);
    server = await ensureEmbeddedPostgres(disk.path, () => {});
    node = await NodeProcess.start({ databaseUrl: server.url });
  });
  afterAll(async () => {
    rmSync(ballast, { force: true });
    await node?.remove();
    await server?.release();
    if (disk.refusal === undefined) execFileSync('umount', ['-l', disk.path]);
    rmSync(disk.path, { recursive: true, force: true });
  });

  function fill(): void {
    try {
      for (;;) appendFileSync(ballast, MEGABYTE);
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
    }
  }

  /** A new segment of the log needs room: asking for one is what finds that there is none. */
  async function needRoom(url: string): Promise<void> {
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('CREATE TABLE IF NOT EXISTS ballast (t text)');
      await client.query(`INSERT INTO ballast SELECT repeat('x', 1000) FROM generate_series(1, 40000)`);
    } catch {
      // Whatever it says: the service is asked what it makes of it.
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  it('costs documented 503s, and nothing that was answered', async (context) => {
    if (disk.refusal !== undefined) return context.skip(disk.refusal);
    const target = node!;
    const held = await Promise.all(Array.from({ length: 4 }, () => login(target)));
    const over: Tokens[] = [];
    const others: Answer[] = [];
    let refused = 0;
    const note = (answer: Answer, wanted: number): boolean => {
      if (answer.status === wanted) return true;
      if (answer.status === 503 && answer.headers.get('retry-after') !== null) refused += 1;
      else others.push(answer);
      return false;
    };
    async function round(): Promise<void> {
      for (const [index, tokens] of held.entries()) {
        const answer = await tryRefresh(target, tokens.refresh_token);
        if (note(answer, 200)) held[index] = JSON.parse(answer.text) as Tokens;
      }
      const began = await tryLogin(target);
      if (!note(began, 200)) return;
      const tokens = JSON.parse(began.text) as Tokens;
      if (note(await logout(target, tokens.access_token), 204)) over.push(tokens);
    }
    await round();
    fill();
    const deadline = Date.now() + 40_000;
    while (refused < 5 && Date.now() < deadline) {
      await needRoom(server!.url);
      fill();
      await round();
    }
    expect(refused).toBeGreaterThanOrEqual(5);
    expect(others).toEqual([]);

    rmSync(ballast);
    // It may have given up altogether; then it is started again, as an operator would.
    server = await ensureEmbeddedPostgres(disk.path, () => {});
    await until(async () => (await tryLogin(target)).status === 200, 30_000);
    for (const { refresh_token } of held) {
      const next = await refresh(target, refresh_token);
      expect((await verify(target, next.access_token)).status).toBe(204);
    }
    expect(over.length).toBeGreaterThan(0);
    for (const { access_token, refresh_token } of over) {
      expect((await verify(target, access_token)).code).toBe('token_revoked');
      expect((await tryRefresh(target, refresh_token)).code).toBe('refresh_token_revoked');
    }
  });
});
