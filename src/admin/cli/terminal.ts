import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { userInfo } from 'node:os';
import type { Origin } from '../../audit/audit-context.js';
import { CommandFailed } from './command-failed.js';

/** How far a long piece of work has come. */
export interface Progress {
  advance(by?: number): void;
  stop(): void;
}

/** Who sits at the command line, and how it is talked to: results on stdout, everything else on stderr. */
export class Terminal {
  /** What audit keeps of where a command came from; one request id for the whole run. */
  readonly origin: Origin;

  /** `json`: results are one JSON document each, for programs. */
  constructor(
    readonly json: boolean,
    private readonly streams: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'> = process,
  ) {
    const operator = operatorName();
    const userAgent = `tandem command line (${operator})`;
    this.origin = { ip: null, userAgent, requestId: randomUUID(), operator };
  }

  /** Prints what came of a command: the value as JSON, or the lines that a person reads. */
  async result(value: unknown, lines: () => readonly string[]): Promise<void> {
    await this.write(
      this.json
        ? `${JSON.stringify(value, null, 2)}\n`
        : lines()
            .map((line) => `${line}\n`)
            .join(''),
    );
  }

  /** Rows under headings, in columns as wide as they need to be; control characters of stored text are not passed on. */
  async table<Row extends object>(
    rows: readonly Row[],
    columns: readonly (keyof Row & string)[],
  ): Promise<void> {
    const cells = rows.map((row) => columns.map((column) => shown(row[column])));
    const widths = columns.map((column, i) =>
      Math.max(column.length, ...cells.map((line) => line[i]!.length)),
    );
    const format = (line: readonly string[]) =>
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd();
    await this.write([columns, ...cells].map((line) => `${format(line)}\n`).join(''));
  }

  /** Waits while whoever reads is slower: what is streamed does not pile up in memory. */
  async write(text: string): Promise<void> {
    if (text !== '' && !this.streams.stdout.write(text)) await once(this.streams.stdout, 'drain');
  }

  /** Where a list that was cut short goes on. */
  more(cursor: string | null): void {
    if (cursor !== null) this.note(`There is more: --cursor ${cursor}`);
  }

  /** For the person at the terminal, never part of a result. */
  note(line: string): void {
    this.streams.stderr.write(`${line}\n`);
  }

  /** A bar on stderr, where a person sees it; elsewhere nothing. `total` of 0: not known. */
  async progress(label: string, total: number): Promise<Progress> {
    if (!this.streams.stderr.isTTY || this.json) return { advance() {}, stop() {} };
    const { SingleBar, Presets } = await import('cli-progress');
    const format =
      total > 0 ? `${label} {bar} {percentage}% {value}/{total} {eta_formatted}` : `${label} {value}`;
    const bar = new SingleBar(
      { format, stream: this.streams.stderr, hideCursor: true },
      Presets.shades_classic,
    );
    bar.start(total, 0);
    return { advance: (by = 1) => bar.increment(by), stop: () => bar.stop() };
  }

  /**
   * A password: asked for twice without showing it, or where stdin is no terminal its first line. Never an argument: those
   * are seen by everybody on the machine and kept in the shell's history.
   */
  async newPassword(): Promise<string> {
    if (!this.streams.stdin.isTTY) return this.firstLine();
    const given = await this.ask('Password');
    if (given !== (await this.ask('The same again')))
      throw new CommandFailed('The two are not the same: nothing was changed');
    return given;
  }

  private async ask(message: string): Promise<string> {
    const { default: password } = await import('@inquirer/password');
    try {
      // Without the key that shows what was typed: a terminal may be recorded.
      return await password({ message, toggleMask: false }, { output: this.streams.stderr });
    } catch (error) {
      if (error instanceof Error && error.name === 'ExitPromptError')
        throw new CommandFailed('Given up: nothing was changed');
      throw error;
    }
  }

  private async firstLine(): Promise<string> {
    let text = '';
    this.streams.stdin.setEncoding('utf8');
    for await (const chunk of this.streams.stdin) {
      text += String(chunk);
      if (text.includes('\n') || text.length > 4096) break;
    }
    const [line = ''] = text.split(/\r?\n/, 1);
    if (line === '') throw new CommandFailed('A password is expected on stdin: one line');
    return line;
  }
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (value instanceof Date) return value.toISOString();
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // A stored user agent must not be able to drive the operator's terminal.
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\uFFFD');
}

function operatorName(): string {
  try {
    return userInfo().username.slice(0, 64);
  } catch {
    return 'unknown';
  }
}
