import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { userInfo } from 'node:os';
import type { Origin } from '../../audit/audit-context.js';
import { CommandError } from './options.js';

/** Characters of a line that is read from stdin: a header of the longest length that servers accept. */
const LONGEST_LINE = 16_384;

/** The progress of a long task. */
export interface Progress {
  advance(by?: number): void;
  stop(): void;
}

/** Input and output of a command: results go to stdout, everything else to stderr. */
export class Terminal {
  /** The origin in audit events. The whole run has one request id. */
  readonly origin: Origin;

  /** `json`: print each result as one JSON document. */
  constructor(
    readonly json: boolean,
    private readonly streams: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'> = process,
  ) {
    const operator = operatorName();
    const userAgent = `tandem command line (${operator})`;
    this.origin = { ip: null, userAgent, requestId: randomUUID(), operator };
  }

  /** Prints the result of a command: the value as JSON, or the lines for a person. */
  async result(value: unknown, lines: () => readonly string[]): Promise<void> {
    await this.write(
      this.json
        ? `${JSON.stringify(value, null, 2)}\n`
        : lines()
            .map((line) => `${line}\n`)
            .join(''),
    );
  }

  /** Prints rows under headings in aligned columns. Replaces control characters of stored text. */
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

  /** Writes to stdout. Waits for a slow reader, so that output does not accumulate in memory. */
  async write(text: string): Promise<void> {
    if (text !== '' && !this.streams.stdout.write(text)) await once(this.streams.stdout, 'drain');
  }

  /** Tells the operator how to read the rest of a list. */
  more(cursor: string | null): void {
    if (cursor !== null) this.note(`There is more: --cursor ${cursor}`);
  }

  /** Writes a line to stderr for the operator. It is never part of a result. */
  note(line: string): void {
    this.streams.stderr.write(`${line}\n`);
  }

  /** Shows a progress bar if stderr is a terminal. `total` of 0: unknown. */
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
   * Asks twice for a password without showing it. If stdin is not a terminal, reads its first line. A password is never an argument: other
   * users of the machine can see arguments, and the shell history keeps them.
   */
  async newPassword(): Promise<string> {
    const typed = await this.hiddenLine('Password');
    if (!this.streams.stdin.isTTY) return typed;
    if (typed !== (await this.ask('Repeat the password')))
      throw new CommandError('The passwords do not match; nothing was changed');
    return typed;
  }

  /** The same, once, for any text that nobody may read over a shoulder. `what`: a word for it. */
  async hiddenLine(what: string): Promise<string> {
    return this.streams.stdin.isTTY ? this.ask(what) : this.firstLine(what);
  }

  private async ask(message: string): Promise<string> {
    const { default: password } = await import('@inquirer/password');
    try {
      // No key may reveal the input: the terminal may be recorded.
      return await password({ message, toggleMask: false }, { output: this.streams.stderr });
    } catch (error) {
      if (error instanceof Error && error.name === 'ExitPromptError')
        throw new CommandError('Cancelled; nothing was changed');
      throw error;
    }
  }

  private async firstLine(what: string): Promise<string> {
    let text = '';
    this.streams.stdin.setEncoding('utf8');
    for await (const chunk of this.streams.stdin) {
      text += String(chunk);
      if (text.includes('\n') || text.length > LONGEST_LINE) break;
    }
    const [line = ''] = text.split(/\r?\n/, 1);
    if (line === '') throw new CommandError(`Write the ${what.toLowerCase()} as one line to stdin`);
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
