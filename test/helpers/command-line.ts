import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { INHERITED } from './inherited-environment.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** What a run of `npm run admin` came to. */
export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the built command line as a process of its own, with nothing of the tests' environment, and waits for its end. */
export async function admin(
  env: Readonly<Record<string, string>>,
  cwd: string,
  args: readonly string[],
  input = '',
): Promise<Ran> {
  const child = spawn(process.execPath, [join(ROOT, 'dist/src/admin.cli.js'), ...args], {
    cwd,
    env: { ...INHERITED, ...env },
    stdio: 'pipe',
    timeout: 60_000,
  });
  child.stdin.on('error', () => undefined).end(input);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, out, err };
}
