import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { Option } from 'commander';
import type { Command } from 'commander';
import { UserImportService } from '../../users/import/import.service.js';
import type { ImportCounts, RejectedRow } from '../../users/import/import.service.js';
import { OTHER_ENCODING } from '../../users/import/row-reader.js';
import type { ImportFormat } from '../../users/import/row-reader.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { CommandFailed } from './options.js';
import type { Terminal } from './terminal.js';

interface ImportOptions {
  readonly report?: string;
  readonly format?: ImportFormat;
}

/** Rejected rows told without a report; a report has all of them. */
const TOLD = 20;
const TOLD_AS_JSON = 10_000;

const MORE = `
The columns of the CSV, or the fields of each JSON line, are username and password_hash, and if you like email, role (user or
admin) and id. An id that is a UUID becomes the user's id, any other its external_id. Kinds of hashes: docs/adopt/import.md.

Nobody who exists is changed. A run that was interrupted is run again: what is there already counts as unchanged.`;

@AdminCommand()
export class ImportCommand {
  constructor(private readonly users: UserImportService) {}

  static describe(program: Command, run: Run<ImportCommand>): void {
    program
      .command('import')
      .description('bring users in from another system, with the passwords they have there')
      .argument('<file>', 'CSV with a header or JSON lines, in UTF-8; - for stdin')
      .option(
        '--report <file>',
        'write every row that was not imported there, as JSON lines with line and reason',
      )
      .addOption(new Option('--format <format>', 'instead of guessing').choices(['csv', 'jsonl']))
      .addHelpText('after', MORE)
      .action(
        run((command, terminal, file: string, options: ImportOptions) =>
          command.import(terminal, file, options),
        ),
      );
  }

  private async import(terminal: Terminal, file: string, { report, format }: ImportOptions): Promise<number> {
    const size = file === '-' ? 0 : await sizeOf(file);
    const input = file === '-' ? process.stdin : createReadStream(file);
    const told: RejectedRow[] = [];
    const log = await openReport(report);
    const progress = await terminal.progress('Importing (bytes)', size);
    let done = 0;
    let undecoded = 0;
    let counts: ImportCounts;
    try {
      counts = await this.users.run(
        input as AsyncIterable<Buffer>,
        {
          async rejected(row) {
            if (OTHER_ENCODING.some((reason) => reason === row.reason)) undecoded += 1;
            if (told.length < (terminal.json ? TOLD_AS_JSON : TOLD)) told.push(row);
            await log?.write(row);
          },
          advanced(bytes) {
            progress.advance(bytes - done);
            done = bytes;
          },
        },
        terminal.origin,
        format,
      );
    } finally {
      progress.stop();
      await log?.end();
    }
    await terminal.result({ ...counts, rejected_rows: told, report: report ?? null }, () =>
      summary(counts, told, report),
    );
    if (undecoded > 0)
      terminal.note(
        `${undecoded} lines are not in UTF-8: save the file in UTF-8 (iconv -f … -t UTF-8), then run it again`,
      );
    const { created, unchanged, kept } = counts;
    if (created + unchanged + kept === 0) terminal.note('No row was imported');
    return undecoded > 0 || created + unchanged + kept === 0 ? 1 : 0;
  }
}

function summary(counts: ImportCounts, told: readonly RejectedRow[], report: string | undefined): string[] {
  const more = counts.rejected - told.length;
  return [
    ...told.map(({ line, reason }) => `line ${line}: ${reason}`),
    ...(more > 0 ? [`and ${more} more${report === undefined ? ': --report writes all of them' : ''}`] : []),
    `${counts.created} created, ${counts.unchanged} unchanged, ${counts.kept} there already with another password, ` +
      `${counts.rejected} rejected`,
    ...(report === undefined ? [] : [`The rejected rows are in ${report}`]),
  ];
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new CommandFailed(`There is no file ${file}`);
  if (found.isDirectory()) throw new CommandFailed(`${file} is a folder`);
  return found.size;
}

interface Report {
  write(row: RejectedRow): Promise<void>;
  end(): Promise<void>;
}

/** JSON lines, for the eyes of whoever runs the import alone. */
async function openReport(file: string | undefined): Promise<Report | undefined> {
  if (file === undefined) return undefined;
  const stream = createWriteStream(file, { mode: 0o600 });
  await once(stream, 'open').catch((error: Error) => {
    throw new CommandFailed(`The report cannot be written: ${error.message}`);
  });
  return {
    async write(row) {
      if (!stream.write(`${JSON.stringify(row)}\n`)) await once(stream, 'drain');
    },
    async end() {
      stream.end();
      await once(stream, 'finish');
    },
  };
}
