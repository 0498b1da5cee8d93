import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { chooseHome, createCluster, findCluster, NAME, readPassword } from './embedded-cluster.js';
import { embeddedBinaries } from './embedded-binaries.js';
import { withLock } from './embedded-lock.js';
import { findPostmaster } from './embedded-pid-file.js';
import type { Postmaster } from './embedded-pid-file.js';
import { blockedAt, identify, isAlive, serverAccount } from './embedded-process.js';
import { ensurePostmaster, stopPostmaster } from './embedded-server.js';

export interface EmbeddedServer {
  readonly url: string;
  /** Stops the server if this process is the last that uses it. */
  release(): Promise<void>;
}

/**
 * Returns a PostgreSQL server of our own under `dataDir`. Creates its data folder and starts it if necessary.
 *
 * Several processes may call this at once. The server is a separate process, so it survives if a process that uses it is killed. If the
 * server itself was killed, the next call starts it again with the same URL, unless another process has taken its port. It listens on
 * 127.0.0.1 only and logs to `postgres.log`. Throws an error of one line that says what to do.
 */
export async function ensureEmbeddedPostgres(
  dataDir: string,
  log: (line: string) => void,
): Promise<EmbeddedServer> {
  const asRoot = process.getuid?.() === 0;
  await mkdir(dataDir, { recursive: true, mode: asRoot ? 0o711 : 0o700 });
  const folder = await realpath(dataDir);
  return withLock(lockOf(folder), async () => {
    const marker = await markUser(folder);
    try {
      const server = await serve(folder, log);
      return { url: await urlOf(folder, server), release: () => release(folder, marker) };
    } catch (error) {
      await rm(marker, { force: true });
      throw error;
    }
  });
}

/** The URL of the server under `dataDir` if it is ready. It does not keep the server running. */
export async function findEmbeddedPostgres(dataDir: string): Promise<string | undefined> {
  const folder = await realpath(dataDir).catch(() => undefined);
  const cluster = folder === undefined ? undefined : await findCluster(folder);
  if (folder === undefined || cluster === undefined) return undefined;
  const server = await findPostmaster(cluster);
  return server?.ready === true ? urlOf(folder, server) : undefined;
}

async function serve(dataDir: string, log: (line: string) => void): Promise<Postmaster> {
  const found = await findCluster(dataDir);
  const account = await serverAccount(found);
  const blocked = found && (await blockedAt(account, dirname(found)));
  if (blocked !== undefined)
    throw new Error(`the owner of ${found} cannot enter ${blocked}: chmod a+x it, or set DATA_DIR`);
  const home = found === undefined ? await chooseHome(dataDir, account, log) : dirname(found);
  try {
    const binaries = await embeddedBinaries(home, account);
    if (found === undefined) log(`creating a PostgreSQL data folder in ${home}`);
    const cluster = found ?? (await createCluster(dataDir, home, account, binaries));
    const files = { log: join(dataDir, 'postgres.log'), port: join(dataDir, 'postgres.port') };
    const { server, started } = await ensurePostmaster(cluster, files, binaries.postgres, account);
    log(`PostgreSQL ${started ? 'started' : 'found running'} on 127.0.0.1:${server.port}`);
    return server;
  } catch (error) {
    // Otherwise a folder that was created elsewhere just now would stay, and nothing would refer to it.
    if (found === undefined && home !== dataDir && (await findCluster(dataDir)) === undefined) {
      await rm(home, { recursive: true });
    }
    throw error;
  }
}

async function release(dataDir: string, marker: string): Promise<void> {
  // If somebody deleted the folder, PostgreSQL notices within a minute and stops by itself.
  if ((await stat(dataDir).catch(() => undefined)) === undefined) return;
  await withLock(lockOf(dataDir), async () => {
    await rm(marker, { force: true });
    if (await hasUsers(dataDir)) return;
    const cluster = await findCluster(dataDir);
    const server = cluster === undefined ? undefined : await findPostmaster(cluster);
    if (server !== undefined) await stopPostmaster(server);
  });
}

/** Creates one file per caller. It counts as long as its process lives. */
async function markUser(dataDir: string): Promise<string> {
  await mkdir(usersOf(dataDir), { recursive: true, mode: 0o700 });
  const marker = join(usersOf(dataDir), randomUUID());
  await writeFile(marker, (await identify(process.pid)) ?? String(process.pid));
  return marker;
}

async function hasUsers(dataDir: string): Promise<boolean> {
  let alive = false;
  for (const name of await readdir(usersOf(dataDir)).catch(() => [])) {
    const marker = join(usersOf(dataDir), name);
    if (await isAlive(await readFile(marker, 'utf8'))) alive = true;
    else await rm(marker, { force: true });
  }
  return alive;
}

async function urlOf(dataDir: string, { port }: Postmaster): Promise<string> {
  return `postgres://${NAME}:${await readPassword(dataDir)}@127.0.0.1:${port}/${NAME}`;
}

function lockOf(dataDir: string): string {
  return join(dataDir, 'postgres.lock');
}

function usersOf(dataDir: string): string {
  return join(dataDir, 'postgres.users');
}
