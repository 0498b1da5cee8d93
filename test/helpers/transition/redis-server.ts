import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';

const PROGRAM = '/usr/bin/redis-server';

/** Why no Redis can be started here; undefined if it can. */
export const noRedis: string | undefined = existsSync(PROGRAM)
  ? undefined
  : `there is no ${PROGRAM}: install the package redis-server`;
if (noRedis !== undefined) console.warn(`tests with a real Redis are skipped: ${noRedis}`);

const PASSWORD = 'of-a-test';

/** Another process may take a free port before Redis does. */
const ATTEMPTS = 5;

export type TestRedisClient = Awaited<ReturnType<typeof connected>>;

async function connected(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** A real Redis on loopback that keeps everything in memory and asks for a password. */
export class RedisServer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly port: number,
    /** A connection of the test. */
    readonly client: TestRedisClient,
  ) {}

  /** `options`: as on the command line of redis-server. */
  static async start(...options: readonly string[]): Promise<RedisServer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await RedisServer.startAt(await freePort(), options);
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  get url(): string {
    return `redis://:${PASSWORD}@127.0.0.1:${this.port}`;
  }

  /** A copy that follows this one, with everything that this one has now. */
  async replica(): Promise<RedisServer> {
    const { port } = this;
    const replica = await RedisServer.start(
      '--replicaof',
      '127.0.0.1',
      String(port),
      '--masterauth',
      PASSWORD,
    );
    while (!(await replica.client.info('replication')).includes('master_link_status:up')) await pause();
    await this.copied();
    return replica;
  }

  /** Waits until a replica has all that was written. */
  async copied(): Promise<void> {
    while ((await this.client.wait(1, 1_000)) < 1) await pause();
  }

  /** Turns a replica into a server of its own. */
  async promote(): Promise<void> {
    await this.client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
  }

  /** It accepts connections and answers nothing until it is resumed. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.client.isOpen) this.client.destroy();
    await kill(this.child);
    await rm(this.folder, { recursive: true, force: true });
  }

  private static async startAt(port: number, options: readonly string[]): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-redis-'));
    const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
    // A replica is copied to at once.
    const replication = ['--repl-diskless-sync-delay', '0'];
    const all = [...settings, ...replication, '--requirepass', PASSWORD, ...options];
    const child = spawn(PROGRAM, all, { stdio: 'ignore' });
    for (;;) {
      if (child.exitCode !== null) {
        await rm(folder, { recursive: true, force: true });
        throw new Error(`Redis exited with ${child.exitCode}`);
      }
      const client = await connected(`redis://:${PASSWORD}@127.0.0.1:${port}`).catch(() => undefined);
      if (client !== undefined) return new RedisServer(child, folder, port, client);
      await pause();
    }
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
