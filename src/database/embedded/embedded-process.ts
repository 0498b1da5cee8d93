import { execFile, spawn } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Identifies a process even if its number is reused: `<pid> <start time>`. The start time is empty if the system does not tell it. Then
 * only the number counts.
 */
export type ProcessIdentity = string;

/** The user that PostgreSQL runs as if this process is root, because PostgreSQL refuses to run as root. Undefined: our own user. */
export type Account = { readonly uid: number; readonly gid: number } | undefined;

/** PostgreSQL gets nothing of our environment: it contains secrets, and PG* variables would change PostgreSQL's settings. */
export const SERVER_ENVIRONMENT =
  process.platform === 'win32' ? undefined : { PATH: SEARCH_PATH, LC_ALL: 'C', TZ: 'UTC' };

/** The identity of a living process. Undefined if there is none; a zombie counts as dead. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  if (!exists(pid)) return undefined;
  const started = process.platform === 'linux' ? await startedOnLinux(pid) : await startedElsewhere(pid);
  return started === undefined ? undefined : `${pid} ${started}`;
}

/** Whether the process that {@link identify} saw is still alive. False for text that is not an identity. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const [pid, started] = split(identity);
  const now = await identify(pid);
  if (now === undefined) return false;
  const [, startedNow] = split(now);
  return started === '' || startedNow === '' || started === startedNow;
}

/** The program and arguments of a process. Empty if the system hides them. */
export async function commandLine(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return text === '' ? [] : text.replace(/\0+$/, '').split('\0');
  }
  const text = await ps('command=', pid);
  return text === '' ? [] : text.split(' ');
}

/** Whether the number belongs to a process. A zombie keeps its number until its parent waits for it. */
export function exists(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * The account for the server: the owner of the data folder if there is one, else the user `postgres`, which is created if it is missing.
 * Throws if that fails, or if the folder belongs to another user.
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
  return (await findUser('postgres')) ?? (await createUser('postgres'));
}

/** The first folder on the path to `folder`, itself included, that the account cannot enter according to the mode bits. */
export async function blockedAt(account: Account, folder: string): Promise<string | undefined> {
  if (account === undefined) return undefined;
  const parent = dirname(folder);
  const above = parent === folder ? undefined : await blockedAt(account, parent);
  if (above !== undefined) return above;
  const { uid, gid, mode } = await stat(folder);
  const enter = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
  return (mode & enter) === 0 ? folder : undefined;
}

/** Runs a program as the account and waits for its end. Never throws: a failed start has the code null. */
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

const FAILURE = /(?:^|[\s\]])((?:error|ERROR|FATAL|PANIC): .*)/;
const MORE = /(?:^|[\s\]])((?:detail|DETAIL|hint|HINT): .*)/;

/**
 * The first error in the output of a PostgreSQL program, in one line: its message, then DETAIL and HINT, which often say what to do.
 * Undefined if there is no error.
 */
export function failureIn(output: string): string | undefined {
  const lines = output.split('\n');
  const first = lines.findIndex((line) => FAILURE.test(line));
  if (first < 0) return undefined;
  const parts = [FAILURE.exec(lines[first]!)![1]!];
  for (const line of lines.slice(first + 1)) {
    // PostgreSQL indents the following lines of a message.
    const part = line.startsWith('\t') ? line : MORE.exec(line)?.[1];
    if (part === undefined) break;
    parts.push(part);
  }
  return parts.map((part) => part.trim().replaceAll(/\s+/g, ' ')).join(' ');
}

async function findUser(name: string): Promise<Account> {
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => execute('id', [flag, name])));
    return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
  } catch {
    return undefined;
  }
}

async function createUser(name: string): Promise<Account> {
  const env = { PATH: SEARCH_PATH };
  const shell = ['--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
  const failure = await execute('groupadd', ['--system', '--force', name], { env })
    .then(() => execute('useradd', ['--system', '--gid', name, ...shell, name], { env }))
    .then(() => undefined)
    .catch((error: Error) => error);
  const account = await findUser(name);
  if (account === undefined) {
    const why = failure?.message.split('\n').at(-2) ?? 'it was not found afterwards';
    throw new Error(`PostgreSQL does not run as root, and the user "${name}" could not be created: ${why}`);
  }
  return account;
}

/** Ticks since boot, with the id of the boot. Undefined for a zombie; empty if /proc hides the process. */
async function startedOnLinux(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  if (text === '') return exists(pid) ? '' : undefined;
  // proc(5): the name in parentheses may contain anything. The state is the third field, the start time the 22nd.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${fields[19]}@${boot.trim()}`;
}

async function startedElsewhere(pid: number): Promise<string | undefined> {
  const text = await ps('lstart=', pid);
  return text === '' && !exists(pid) ? undefined : text.replaceAll(/\s+/g, '-');
}

async function ps(column: string, pid: number): Promise<string> {
  const answer = await execute('ps', ['-o', column, '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return answer.stdout.trim();
}

function split(identity: ProcessIdentity): [number, string] {
  const [pid = '', started = ''] = identity.trim().split(' ');
  return [/^\d+$/.test(pid) ? Number(pid) : 0, started];
}
