import { execFile, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Whom PostgreSQL runs as when this process is root, as PostgreSQL itself refuses to. Undefined: as ourselves. */
export type Account = { readonly uid: number; readonly gid: number } | undefined;

/** Nothing of our environment reaches PostgreSQL: it has secrets in it, and PG* variables would change its settings. */
export const SERVER_ENVIRONMENT =
  process.platform === 'win32' ? undefined : { PATH: SEARCH_PATH, LC_ALL: 'C', TZ: 'UTC' };

/**
 * The account for the server: the owner of an existing data folder, else the operating system's user `postgres`, made
 * when it is missing. Throws when it cannot be made, or when the folder is another user's.
 */
export async function serverAccount(cluster: string | undefined): Promise<Account> {
  const ourselves = process.getuid?.();
  const owner = cluster === undefined ? undefined : await stat(cluster);
  if (ourselves !== 0) {
    if (owner !== undefined && ourselves !== undefined && owner.uid !== ourselves) {
      throw new Error(`${cluster} belongs to another user: start as that user or as root, or set DATA_DIR`);
    }
    return undefined;
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  return (await find('postgres')) ?? (await create('postgres'));
}

/** The first folder on the way to (and with) `folder` that the account cannot enter, judged by the mode bits. */
export async function blockedAt(account: Account, folder: string): Promise<string | undefined> {
  if (account === undefined) return undefined;
  const parent = dirname(folder);
  const above = parent === folder ? undefined : await blockedAt(account, parent);
  if (above !== undefined) return above;
  const { uid, gid, mode } = await stat(folder);
  const execute = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode & execute) === 0 ? folder : undefined;
}

/** Runs a program as the account to its end; never throws for what the program did. */
export function runAs(
  account: Account,
  program: string,
  args: readonly string[],
  input = '',
): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...account, cwd: '/', env: SERVER_ENVIRONMENT });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.resume();
    child.stdin.on('error', () => {}).end(input);
    child.on('error', (error) => resolve({ code: null, stderr: error.message }));
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

async function find(name: string): Promise<Account> {
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => execute('id', [flag, name])));
    return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
  } catch {
    return undefined;
  }
}

async function create(name: string): Promise<Account> {
  const env = { PATH: SEARCH_PATH };
  const shell = ['--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
  const failure = await execute('groupadd', ['--system', '--force', name], { env })
    .then(() => execute('useradd', ['--system', '--gid', name, ...shell, name], { env }))
    .then(() => undefined)
    .catch((error: Error) => error);
  const account = await find(name);
  if (account === undefined) {
    const why = failure?.message.split('\n').at(-2) ?? 'it does not appear';
    throw new Error(`PostgreSQL does not run as root, and the user "${name}" could not be made: ${why}`);
  }
  return account;
}
