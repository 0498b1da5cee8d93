import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  ensureEmbeddedPostgres,
  findEmbeddedPostgres,
} from '../../src/database/embedded/embedded-postgres.js';
import type { EmbeddedServer } from '../../src/database/embedded/embedded-postgres.js';

const MODULE = fileURLToPath(new URL('../../src/database/embedded/embedded-postgres.ts', import.meta.url));

/** Another process that uses the server. It reports the URL and log lines, and releases the server on a message. Node strips the types. */
const USER = `
  import { registerHooks } from 'node:module';
  registerHooks({
    resolve: (name, context, next) =>
      next(context.parentURL?.includes('/src/database/') ? name.replace(/^(\\..*)\\.js$/, '$1.ts') : name, context),
  });
  const { ensureEmbeddedPostgres } = await import(process.argv[1]);
  const lines = [];
  const server = await ensureEmbeddedPostgres(process.argv[2], (line) => lines.push(line));
  process.once('message', async () => { await server.release(); process.disconnect(); });
  process.send({ url: server.url, lines });
`;

interface User {
  readonly url: string;
  readonly lines: readonly string[];
  release(): Promise<void>;
  kill(): Promise<void>;
}

let folder: string;
let users: ChildProcess[];
let handles: EmbeddedServer[];

async function ensure(): Promise<EmbeddedServer> {
  const server = await ensureEmbeddedPostgres(folder, () => {});
  handles.push(server);
  return server;
}

async function anotherProcess(): Promise<User> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', USER, MODULE, folder], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  users.push(child);
  const exited = once(child, 'exit');
  const failed = exited.then(([code]) => Promise.reject(new Error(`the other process ended with ${code}`)));
  const [answer] = (await Promise.race([once(child, 'message'), failed])) as [Pick<User, 'url' | 'lines'>];
  failed.catch(() => {});
  return {
    ...answer,
    async release() {
      child.send('release');
      await exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function run<T>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query<{ answer: T }>(sql);
    return rows.map(({ answer }) => answer);
  } finally {
    await client.end();
  }
}

async function ask<T>(url: string, sql: string): Promise<T> {
  return (await run<T>(url, sql))[0]!;
}

async function postmaster(): Promise<number> {
  return Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

async function killPostmaster(): Promise<void> {
  const pid = await postmaster();
  process.kill(pid, 'SIGKILL');
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 15_000);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-embedded-'));
  users = [];
  handles = [];
});

afterEach(async () => {
  for (const user of users) {
    if (user.exitCode === null && user.signalCode === null && user.kill('SIGKILL')) await once(user, 'exit');
  }
  for (const handle of handles) await handle.release();
  if ((await findEmbeddedPostgres(folder)) !== undefined) await (await ensure()).release();
  await rm(folder, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('is durable, uses UTF-8, requires the password and gives no superuser', async () => {
    const { url } = await ensure();
    const setting = (name: string) => ask<string>(url, `SELECT current_setting('${name}') AS answer`);
    expect(await setting('server_encoding')).toBe('UTF8');
    expect(await setting('fsync')).toBe('on');
    expect(await setting('synchronous_commit')).toBe('on');
    expect(await setting('max_connections')).toBe('200');
    expect(await setting('listen_addresses')).toBe('127.0.0.1');
    expect(await setting('is_superuser')).toBe('off');
    expect(await ask(url, 'SELECT current_database() AS answer')).toBe('tandem');
    const wrong = new URL(url);
    wrong.password = 'password';
    await expect(ask(wrong.href, 'SELECT 1 AS answer')).rejects.toMatchObject({ code: '28P01' });
    wrong.username = 'postgres';
    await expect(ask(wrong.href, 'SELECT 1 AS answer')).rejects.toMatchObject({ code: '28000' });
    expect((await stat(join(folder, 'postgres.password'))).mode & 0o777).toBe(0o600);
  });

  it('keeps its data and its URL over a restart', async () => {
    const first = await ensure();
    await run(first.url, 'CREATE TABLE kept AS SELECT 7 AS answer');
    await first.release();
    expect(await findEmbeddedPostgres(folder)).toBeUndefined();
    const second = await ensure();
    expect(second.url).toBe(first.url);
    expect(await ask(second.url, 'SELECT answer FROM kept')).toBe(7);
  });

  it('takes another port if its port is taken', async () => {
    const first = await ensure();
    await first.release();
    const squatter = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const second = await ensure();
      expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
      expect(await ask(second.url, 'SELECT 1 AS answer')).toBe(1);
    } finally {
      squatter.close();
    }
  });

  it('is created once by several processes that start at the same moment', async () => {
    const started = await Promise.all([anotherProcess(), anotherProcess(), anotherProcess()]);
    expect(new Set(started.map(({ url }) => url)).size).toBe(1);
    const lines = started.flatMap((user) => user.lines);
    expect(lines.filter((line) => line.startsWith('creating'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('started'))).toHaveLength(1);
    expect(await ask(started[0].url, 'SELECT 1 AS answer')).toBe(1);
  });

  it('survives a killed process, and the next process uses it', async () => {
    const user = await anotherProcess();
    const before = await postmaster();
    await user.kill();
    const { url } = await ensure();
    expect(url).toBe(user.url);
    expect(await postmaster()).toBe(before);
  });

  it('starts again after it was killed, with everything that was committed', async () => {
    const { url } = await ensure();
    await run(url, 'CREATE TABLE kept AS SELECT 7 AS answer');
    await killPostmaster();
    const again = await ensure();
    expect(again.url).toBe(url);
    expect(await ask(again.url, 'SELECT answer FROM kept')).toBe(7);
  });

  it('starts although the process number in a stale file belongs to another process', async () => {
    const first = await ensure();
    const left = await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8');
    await first.release();
    await writeFile(join(folder, 'postgres', 'postmaster.pid'), left.replace(/^\d+/, String(process.pid)));
    expect(await findEmbeddedPostgres(folder)).toBeUndefined();
    expect(await ask((await ensure()).url, 'SELECT 1 AS answer')).toBe(1);
  });

  it.runIf(process.platform === 'linux')(
    'starts although the killed server is a zombie, as in a container without an init process',
    async () => {
      const first = await ensure();
      const left = await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8');
      await first.release();
      // As the server's account, because PostgreSQL ignores the processes of other users.
      const { uid, gid } = await stat(join(folder, 'postgres'));
      // The child ends only after its parent has become `sleep`, which waits for nobody: a shell would.
      const script = 'until [ "$(cat /proc/$$/comm)" = sleep ]; do :; done & echo $!; exec sleep 600';
      const parent = spawn('sh', ['-c', script], {
        ...(process.getuid?.() === 0 ? { uid, gid } : {}),
        cwd: '/',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      users.push(parent);
      const [zombie] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(zombie.toString());
      await vi.waitFor(async () => expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /), {
        timeout: 20_000,
      });
      await writeFile(join(folder, 'postgres', 'postmaster.pid'), left.replace(/^\d+/, String(pid)));
      expect(await findEmbeddedPostgres(folder)).toBeUndefined();
      expect(await ask((await ensure()).url, 'SELECT 1 AS answer')).toBe(1);
    },
  );

  it('keeps the part of a stale file that shows whether children of the server still run', async () => {
    const first = await ensure();
    const left = await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8');
    await first.release();
    const file = join(folder, 'postgres', 'postmaster.pid');
    const version = join(folder, 'postgres', 'PG_VERSION');
    await writeFile(file, left.replace(/^\d+/, String(process.pid)));
    await writeFile(version, '12\n');
    await expect(ensure()).rejects.toThrow('incompatible');
    await writeFile(version, '18\n');
    expect((await readFile(file, 'utf8')).split('\n').slice(1)).toEqual(left.split('\n').slice(1));
  });
});

describe('a failed start of the embedded PostgreSQL', () => {
  const failure = () => ensure().then(String, (error: Error) => error.message);

  it('reports the DETAIL of PostgreSQL: the version of the data folder', async () => {
    await (await ensure()).release();
    await writeFile(join(folder, 'postgres', 'PG_VERSION'), '12\n');
    const message = await failure();
    await writeFile(join(folder, 'postgres', 'PG_VERSION'), '18\n');
    expect(message).toMatch(/FATAL: database files are incompatible with server DETAIL: .*version 12/);
    expect(message.split('\n')).toHaveLength(1);
  });

  it('reports the HINT of PostgreSQL: what to do about an incomplete backup', async () => {
    await (await ensure()).release();
    const label = join(folder, 'postgres', 'backup_label');
    const lines = [
      'START WAL LOCATION: 9/9000028 (file 000000010000000900000009)',
      'CHECKPOINT LOCATION: 9/9000060',
      'BACKUP METHOD: streamed',
      'BACKUP FROM: primary',
      'START TIME: 2026-01-01 00:00:00 UTC',
      'LABEL: incomplete',
      'START TIMELINE: 1',
    ];
    await writeFile(label, `${lines.join('\n')}\n`);
    const message = await failure();
    await rm(label);
    expect(message).toMatch(/FATAL: could not locate .* HINT: If you are restoring from a backup, touch/);
    expect(message.split('\n')).toHaveLength(1);
  });
});

describe('release', () => {
  it('keeps the server for other processes, and stops it with the last one', async () => {
    const user = await anotherProcess();
    const ours = await ensure();
    await user.release();
    expect(await findEmbeddedPostgres(folder)).toBe(ours.url);
    await ours.release();
    expect(await findEmbeddedPostgres(folder)).toBeUndefined();
    await expect(ask(ours.url, 'SELECT 1 AS answer')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('ignores killed processes and reused process numbers', async () => {
    const user = await anotherProcess();
    await user.kill();
    const ours = await ensure();
    await writeFile(join(folder, 'postgres.users', 'reused'), `${process.pid} 1@another-boot`);
    await ours.release();
    expect(await findEmbeddedPostgres(folder)).toBeUndefined();
  });

  it('closes open connections, and may be called again', async () => {
    const ours = await ensure();
    const client = new pg.Client({ connectionString: ours.url });
    const cut = vi.fn();
    client.on('error', cut);
    await client.connect();
    await ours.release();
    await ours.release();
    expect(await findEmbeddedPostgres(folder)).toBeUndefined();
    await client.end().catch(() => {});
  });

  it('returns if the server has already stopped', async () => {
    const ours = await ensure();
    await killPostmaster();
    await ours.release();
    expect(await findEmbeddedPostgres(folder)).toBeUndefined();
  });
});

describe('starting', () => {
  it('takes over the lock of a process that died', async () => {
    await writeFile(join(folder, 'postgres.lock.4'), '1 1@another-boot');
    expect(await ask((await ensure()).url, 'SELECT 1 AS answer')).toBe(1);
  });

  it.runIf(process.getuid?.() === 0)(
    'puts the data where the user of the server can reach it when it runs as root',
    async () => {
      const closed = folder;
      await chmod(closed, 0o700);
      folder = join(closed, 'data');
      await mkdir(folder);
      const server = await ensure();
      const elsewhere = dirname(await readlink(join(folder, 'postgres')));
      try {
        expect(elsewhere).toMatch(/^\/var\/lib\/tandem-/);
        expect(await findEmbeddedPostgres(folder)).toBe(server.url);
        await server.release();
        expect((await ensure()).url).toBe(server.url);
      } finally {
        for (const handle of handles) await handle.release();
        await rm(elsewhere, { recursive: true, force: true });
        await rm(closed, { recursive: true, force: true });
      }
    },
  );
});
