import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { exchange, request } from '../helpers/http.js';
import { NodeProcess } from '../helpers/node-process.js';
import { login, logout, refresh, tryLogin, verify } from '../helpers/remote-client.js';

/** The children of a process that are workers of ours, and not its database. */
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

/** The ids of the workers whose figures an answer of `/metrics` holds. */
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

  it('runs as many nodes on one port, ready when all are', async () => {
    expect(workersOf(service.pid)).toHaveLength(3);
    expect(service.output.match(/is ready at/g)).toHaveLength(1);
    expect(await workersIn(service.url)).toEqual(new Set(['1', '2', '3']));
  });

  it('refuses on every one of them what one of them has ended', async () => {
    const tokens = await login(service);
    const next = await refresh(service, tokens.refresh_token);
    expect((await verify(service, next.access_token)).status).toBe(204);
    await logout(service, next.access_token);
    // Connections are dealt out in turn: a dozen at once reach each of them.
    await until(async () => {
      const all = Array.from({ length: 12 }, () => verify(service, next.access_token));
      return (await Promise.all(all)).every(({ code }) => code === 'token_revoked');
    }, 5_000);
  });

  it('replaces one that was killed, while the others serve', async () => {
    const before = workersOf(service.pid);
    process.kill(before[0]!, 'SIGKILL');
    // The dead one's connections are reset: one that was kept from before, and one that was on its way to it.
    const call = () => fetch(`${service.url}/health/live`).then(({ status }) => status);
    for (let calls = 0; calls < 20; calls++) expect(await call().catch(call).catch(call)).toBe(200);
    await until(async () => (await workersIn(service.url)).size === 3, 30_000);
    const after = workersOf(service.pid);
    expect(after).toHaveLength(3);
    expect(after).not.toContain(before[0]);
    expect(service.output).toContain('a worker has died');
  });

  it('lets nobody wait whose connection was on its way to one that is killed', async () => {
    const [frozen] = workersOf(service.pid);
    process.kill(frozen!, 'SIGSTOP');
    let answered = 0;
    const calls = Array.from({ length: 6 }, async () => {
      const [response] = await exchange(Number(new URL(service.url).port), request('GET', '/health/live'));
      answered += 1;
      return String(response?.status ?? 'none');
    });
    // They are dealt out in turn, and one at a time to each.
    await until(() => Promise.resolve(answered === 5), 5_000);
    process.kill(frozen!, 'SIGKILL');
    expect((await Promise.all(calls)).toSorted()).toEqual(['200', '200', '200', '200', '200', 'none']);
    await until(async () => (await workersIn(service.url)).size === 3, 30_000);
  });

  it('ends in order and leaves no process behind', async () => {
    const workers = workersOf(service.pid);
    // Not readiness: whoever stops says first that it is not ready any more.
    const slow = fetch(`${service.url}/health/live`);
    expect(await service.end('SIGTERM')).toBe(0);
    expect((await slow).status).toBe(200);
    expect(workers.filter(isAlive)).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux')('a supervisor', () => {
  it('that cannot start its workers ends with their exit code', async () => {
    const service = await NodeProcess.spawn({
      databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
      env: { WORKERS: '2' },
    });
    expect(await service.exited).toBe(1);
    await service.remove();
  });

  it('that is killed takes its workers with it', async () => {
    const db = await createTestDatabase();
    const service = await NodeProcess.start({ databaseUrl: db.url, env: { WORKERS: '2' } });
    const workers = workersOf(service.pid);
    expect(workers).toHaveLength(2);
    service.signal('SIGKILL');
    await until(() => Promise.resolve(!workers.some(isAlive)), 5_000);
    await service.remove();
    await db.drop();
  });

  it('keeps one embedded database for all of them, and ends it last', async () => {
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
