import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TEST_SECRET } from './app.js';
import { INHERITED } from './inherited-environment.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** Milliseconds. */
const READY_WITHIN = 60_000;
const KILL_AFTER = 20_000;

export const ADMIN = { username: 'root', password: 'a long enough pass phrase' } as const;

export interface NodeOptions {
  /** Without it, the node starts its own database. */
  readonly databaseUrl?: string;
  /** The folder of a node that ran before. */
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The path of another script in the checkout, to run instead of the built service. */
  readonly script?: string;
}

/** A real process of the service in its own folder, without the environment of the tests. */
export class NodeProcess {
  /** Everything it has written. */
  output = '';
  url = '';
  /** The environment of the process, for commands that run beside it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly exited: Promise<number | NodeJS.Signals>;
  private readonly child: ChildProcess;

  private constructor(
    readonly folder: string,
    { databaseUrl, env = {}, script = 'dist/src/main.js' }: NodeOptions,
  ) {
    this.environment = {
      PORT: '0',
      DATA_DIR: join(folder, 'data'),
      KEYS_DIR: join(folder, 'keys'),
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      JWT_SECRET: TEST_SECRET,
      JWT_ISSUER: 'http://tandem.test',
      RSA_MODULUS_BITS: '2048',
      AUTH_RATE_LIMIT: '100000',
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
      ...env,
    };
    this.child = spawn(process.execPath, [join(ROOT, script)], {
      cwd: folder,
      env: { ...INHERITED, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.exited = new Promise((resolve) =>
      this.child.once('close', (code, signal) => resolve(signal ?? code ?? -1)),
    );
  }

  /** Starts the process and does not wait for it. */
  static async spawn(options: NodeOptions): Promise<NodeProcess> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'tandem-fault-')));
    // The embedded server does not run as root and needs access.
    await chmod(folder, 0o755);
    return new NodeProcess(folder, options);
  }

  /** Resolves when the node is ready. If it never is, removes everything and throws. */
  static async start(options: NodeOptions): Promise<NodeProcess> {
    const node = await NodeProcess.spawn(options);
    try {
      await node.ready();
      return node;
    } catch (error) {
      await node.remove();
      throw error;
    }
  }

  async ready(): Promise<void> {
    for (const deadline = Date.now() + READY_WITHIN; Date.now() < deadline; await delay(25)) {
      if (!this.alive) break;
      const port = /ready at http:\/\/localhost:(\d+)/.exec(this.output)?.[1];
      if (port === undefined) continue;
      this.url = `http://127.0.0.1:${port}`;
      if ((await fetch(`${this.url}/health/ready`)).status === 200) return;
    }
    throw new Error(`the node did not get ready:\n${this.output}`);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends the signal and resolves with the exit code or the signal. Kills a process that does not stop. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    const killer = setTimeout(() => this.child.kill('SIGKILL'), KILL_AFTER);
    const outcome = await this.exited;
    clearTimeout(killer);
    return outcome;
  }

  /** Stops the process gracefully, with its embedded database, and removes its folder. */
  async remove(): Promise<void> {
    if (this.alive) {
      this.child.kill('SIGCONT');
      await this.end();
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The processes of one test: they are removed together, also if an assertion failed before. */
export class TestNodes {
  private readonly nodes: NodeProcess[] = [];

  /** See {@link NodeProcess.spawn}. */
  async spawn(options: NodeOptions): Promise<NodeProcess> {
    const node = await NodeProcess.spawn(options);
    this.nodes.push(node);
    return node;
  }

  /** See {@link NodeProcess.start}. */
  async start(options: NodeOptions): Promise<NodeProcess> {
    const node = await NodeProcess.start(options);
    this.nodes.push(node);
    return node;
  }

  async remove(): Promise<void> {
    await Promise.all(this.nodes.splice(0).map((node) => node.remove()));
  }
}

/** The messages of the faults that a production start wrote. Throws if a line is not JSON or a fault has other fields. */
export function productionFaults({ output }: NodeProcess): string[] {
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { level: number; msg: string });
  return lines
    .filter(({ level }) => level >= 40)
    .map((fault) => {
      const names = Object.keys(fault).toSorted().join(' ');
      if (fault.level !== 60 || names !== 'hostname level msg pid time')
        throw new Error(JSON.stringify(fault));
      return fault.msg;
    });
}
