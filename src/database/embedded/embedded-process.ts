import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * A process told apart from a later one that got the same number: `<pid> <when it started>`. The second part is empty
 * where the system does not say, and then the number alone counts.
 */
export type ProcessIdentity = string;

/** The identity of a process that is alive; undefined when there is none (a zombie counts as dead). */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  if (!exists(pid)) return undefined;
  const started = process.platform === 'linux' ? await startedOnLinux(pid) : await startedElsewhere(pid);
  return started === undefined ? undefined : `${pid} ${started}`;
}

/** Whether the very process that {@link identify} saw still lives. Text that is no identity names a dead one. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const [pid, started] = split(identity);
  const now = await identify(pid);
  if (now === undefined) return false;
  const [, startedNow] = split(now);
  return started === '' || startedNow === '' || started === startedNow;
}

/** The arguments a process was started with; empty when they cannot be seen. */
export async function commandLine(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return text === '' ? [] : text.replace(/\0+$/, '').split('\0');
  }
  const text = await ps('command=', pid);
  return text === '' ? [] : text.split(' ');
}

/** Whether the system knows a process, dead or alive, by the number: a zombie has one until its parent has asked for its end. */
export function exists(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Ticks since boot with the id of that boot; undefined for a zombie; empty when /proc hides the process. */
async function startedOnLinux(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  if (stat === '') return exists(pid) ? '' : undefined;
  // proc(5): the name in parentheses may hold anything; the state is the third field, the start time the 22nd.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
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
