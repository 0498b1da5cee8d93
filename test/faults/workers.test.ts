import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { exchange, request } from '../helpers/http.js';
import { NodeProcess } from '../helpers/node-process.js';
import { login, logout, refresh, tryLogin, verify } from '../helpers/remote-client.js';

/** The child processes that are workers, without the database. */
function workersOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return children
    .filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('main.js'))
    .map(Number);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** The ids of the workers that appear in `/metrics`. */
async function workersIn(url: string): Promise<Set<string>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Set([...text.matchAll(/^process_cpu_seconds_total\{worker="(\d+)"\}/gm)].map(([, id]) => id!));
}

describe.runIf(process.platform === 'linux')('WORKERS', () => {
  let db: TestDatabase;
  let service: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    service = await NodeProcess.start({ databaseUrl: db.url, env: { WORKERS: '3' } });
  });
  afterAll(async () => {
    await service.remove();
    await db.drop();
  });

  it('runs three nodes on one port and is ready when all are', async () => {
    expect(workersOf(service.pid)).toHaveLength(3);
    expect(service.output.match(/is ready at/g)).toHaveLength(1);
    expect(await workersIn(service.url)).toEqual(new Set(['1', '2', '3']));
  });

  it('refuses on every worker a token that one worker revoked', async () => {
    const tokens = await login(service);
    const next = await refresh(service, tokens.refresh_token);
    expect((await verify(service, next.access_token)).status).toBe(204);
    await logout(service, next.access_token);
    // Connections are dealt out in turn: a dozen at once reach every worker.
    await until(async () => {
      const all = Array.from({ length: 12 }, () => verify(service, next.access_token));
      return (await Promise.all(all)).every(({ code }) => code === 'token_revoked');
    }, 20_000);
  });

  it('replaces a killed worker while the others serve', async () => {
    const before = workersOf(service.pid);
    process.kill(before[0]!, 'SIGKILL');
    // Connections of the killed worker are reset: a kept-alive one and one that was on its way.
    const call = () => fetch(`${service.url}/health/live`).then(({ status }) => status);
    for (let calls = 0; calls < 20; calls++) expect(await call().catch(call).catch(call)).toBe(200);
    await until(async () => (await workersIn(service.url)).size === 3, 30_000);
    const after = workersOf(service.pid);
    expect(after).toHaveLength(3);
    expect(after).not.toContain(before[0]);
    expect(service.output).toContain('a worker crashed');
  });

  it('closes a connection that was on its way to a killed worker', async () => {
    const [frozen] = workersOf(service.pid);
    process.kill(frozen!, 'SIGSTOP');
    let answered = 0;
    const calls = Array.from({ length: 6 }, async () => {
      const [response] = await exchange(Number(new URL(service.url).port), request('GET', '/health/live'));
      answered += 1;
      return String(response?.status ?? 'none');
    });
    // Connections are dealt out in turn, one at a time to each worker.
    await until(() => Promise.resolve(answered === 5), 20_000);
    process.kill(frozen!, 'SIGKILL');
    expect((await Promise.all(calls)).toSorted()).toEqual(['200', '200', '200', '200', '200', 'none']);
    await until(async () => (await workersIn(service.url)).size === 3, 30_000);
  });

  it('stops gracefully and leaves no process behind', async () => {
    const workers = workersOf(service.pid);
    // Liveness, because a stopping node is not ready any more.
    const slow = fetch(`${service.url}/health/live`);
    expect(await service.end('SIGTERM')).toBe(0);
    expect((await slow).status).toBe(200);
    expect(workers.filter(isAlive)).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux')('a supervisor', () => {
  it('exits with the code of workers that cannot start', async () => {
    const service = await NodeProcess.spawn({
      databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
      env: { WORKERS: '2' },
    });
    expect(await service.exited).toBe(1);
    await service.remove();
  });

  it('stops its workers when it is killed', async () => {
    const db = await createTestDatabase();
    const service = await NodeProcess.start({ databaseUrl: db.url, env: { WORKERS: '2' } });
    const workers = workersOf(service.pid);
    expect(workers).toHaveLength(2);
    service.signal('SIGKILL');
    await until(() => Promise.resolve(!workers.some(isAlive)), 20_000);
    await service.remove();
    await db.drop();
  });

  it('runs one embedded database for all workers and stops it last', async () => {
    const service = await NodeProcess.start({ env: { WORKERS: '2' } });
    const [postmaster] = readFileSync(`${service.folder}/data/postgres/postmaster.pid`, 'utf8').split('\n');
    const loggedIn = () =>
      tryLogin(service).then(
        ({ status }) => status === 200,
        () => false,
      );
    await until(loggedIn, 20_000);
    process.kill(workersOf(service.pid)[0]!, 'SIGKILL');
    await until(loggedIn, 20_000);
    expect(isAlive(Number(postmaster))).toBe(true);
    expect(await service.end('SIGTERM')).toBe(0);
    expect(isAlive(Number(postmaster))).toBe(false);
    await service.remove();
  });
});
