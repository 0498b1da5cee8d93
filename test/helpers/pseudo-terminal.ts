import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { until } from './client.js';
import { INHERITED } from './inherited-environment.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** Milliseconds that the program may take to show what a test waits for. */
const PATIENCE = 30_000;

/** Whether `script` of util-linux is there, which gives a program a real terminal; elsewhere it has other options, or is absent. */
export const HAS_PSEUDO_TERMINAL =
  `${spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout}`.includes('util-linux');

/** A run of the built command line by a person at a terminal: stdin, stdout and stderr are the same pseudo terminal. */
export class AtTerminal {
  /** Everything that the terminal has shown, echoes of what was typed included. */
  shown = '';
  readonly exited: Promise<number | null>;
  private readonly child: ChildProcess;

  constructor(env: Readonly<Record<string, string>>, cwd: string, args: readonly string[]) {
    const words = [process.execPath, join(ROOT, 'dist/src/admin.cli.js'), ...args];
    const command = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    this.child = spawn('script', ['--quiet', '--return', '--command', `exec ${command}`, '/dev/null'], {
      cwd,
      env: { ...INHERITED, SHELL: '/bin/sh', TERM: 'xterm', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 2 * PATIENCE,
      killSignal: 'SIGKILL',
    });
    this.child.stdin!.on('error', () => undefined);
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.shown += text));
    this.exited = new Promise((resolve) => this.child.once('close', (code) => resolve(code)));
  }

  /** Waits until the terminal has shown the text that many times. */
  async shows(text: string, times = 1): Promise<void> {
    await until(async () => this.shown.split(text).length > times, PATIENCE).catch(() => {
      throw new Error(`the terminal does not show "${text}":\n${this.shown}`);
    });
  }

  type(keys: string): void {
    this.child.stdin!.write(keys);
  }
}
