import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import type { EmbeddedServer } from '../../src/database/embedded/embedded-postgres.js';
import { until } from '../helpers/client.js';
import type { Tokens } from '../helpers/client.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login, logout, refresh, tryLogin, tryRefresh, verify } from '../helpers/remote-client.js';
import type { Answer } from '../helpers/remote-client.js';

/** Answers beyond this many milliseconds are not bounded, they are late. */
const BOUND = 10_000;

describe.each([
  ['stopped', 'SIGINT'],
  ['killed', 'SIGKILL'],
] as const)('a node whose database is %s under load and started again', (_what, signal) => {
  let folder: string;
  let server: EmbeddedServer;
  let node: NodeProcess;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-database-'));
    await chmod(folder, 0o755);
    server = await ensureEmbeddedPostgres(folder, () => {});
    node = await NodeProcess.start({ databaseUrl: server.url });
  });
  afterAll(async () => {
    await node.remove();
    await server.release();
    await rm(folder, { recursive: true, force: true });
  });

  it('answers only documented 503s meanwhile, recovers by itself within 5 s and loses no family', async () => {
    const logins = await Promise.all([login(node), login(node), login(node)]);
    const gone = await login(node);
    const load = new Load(node, logins[0].access_token, [await login(node), await login(node)]);
    await until(async () => load.answers.length > 50, 10_000);
    expect((await logout(node, gone.access_token)).status).toBe(204);

    process.kill(await postmasterOf(folder), signal);
    await until(async () => load.answers.some(({ status }) => status === 503), 10_000);
    await until(async () => (await verify(node, logins[0].access_token)).status === 503, 10_000);
    const restarted = await ensureEmbeddedPostgres(folder, () => {});
    const took = await until(async () => {
      const all = await Promise.all([tryLogin(node), verify(node, logins[0].access_token)]);
      return all[0].status === 200 && all[1].status === 204;
    }, 10_000);
    expect(took).toBeLessThan(5_000);
    expect(restarted.url).toBe(server.url);
    const { answers, failures, slowest } = await load.stop();

    expect(failures).toEqual([]);
    const statuses = new Set(answers.map(({ status }) => status));
    expect([...statuses].filter((status) => ![200, 204, 503].includes(status))).toEqual([]);
    for (const { status, headers, code } of answers) {
      if (status !== 503) continue;
      expect(code).toBe('service_unavailable');
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(slowest).toBeLessThan(BOUND);
    expect(node.alive).toBe(true);
    expect(node.output).not.toContain('unhandled');
    for (const { refresh_token } of logins) await refresh(node, refresh_token);
    for (const { refresh_token } of load.tokens) await refresh(node, refresh_token);
    expect((await verify(node, gone.access_token)).code).toBe('token_revoked');
    expect((await tryRefresh(node, gone.refresh_token)).code).toBe('refresh_token_revoked');
    await restarted.release();
  });
});

/** Calls of every kind, several at a time, until it is stopped. */
class Load {
  readonly answers: Answer[] = [];
  readonly failures: unknown[] = [];
  slowest = 0;
  private stopped = false;
  private readonly lanes: Promise<void>[];

  /** `tokens`: what each refreshing client holds, whatever happened to the calls after it. */
  constructor(
    private readonly node: NodeProcess,
    accessToken: string,
    readonly tokens: Pick<Tokens, 'refresh_token'>[],
  ) {
    this.lanes = [
      this.lane(() => verify(node, accessToken)),
      this.lane(() => call(node, 'GET', '/api/users', { token: accessToken })),
      this.lane(() => call(node, 'GET', '/api/users/me', { token: accessToken })),
      this.lane(() => tryLogin(node)),
      ...tokens.map((_, index) => this.refreshes(index)),
    ];
  }

  async stop(): Promise<this> {
    this.stopped = true;
    await Promise.all(this.lanes);
    return this;
  }

  private async lane(ask: () => Promise<Answer>): Promise<void> {
    while (!this.stopped) {
      const began = performance.now();
      try {
        this.answers.push(await ask());
      } catch (error) {
        this.failures.push(error);
      }
      this.slowest = Math.max(this.slowest, performance.now() - began);
    }
  }

  /** A client that refreshes with what it holds, and repeats what was not answered 200. */
  private refreshes(index: number): Promise<void> {
    return this.lane(async () => {
      const answer = await tryRefresh(this.node, this.tokens[index]!.refresh_token);
      if (answer.status === 200) this.tokens[index] = JSON.parse(answer.text) as Tokens;
      return answer;
    });
  }
}

async function postmasterOf(folder: string): Promise<number> {
  const file = join(folder, 'postgres', 'postmaster.pid');
  return Number((await readFile(file, 'utf8')).split('\n')[0]);
}
