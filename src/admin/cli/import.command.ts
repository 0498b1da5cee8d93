import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { Option } from 'commander';
import type { Command } from 'commander';
import { agree, counted } from '../../common/text.js';
import type { Role } from '../../common/role.js';
import { UserImportService } from '../../users/import/import.service.js';
import type { ImportCounts, RejectedRow } from '../../users/import/import.service.js';
import { OTHER_ENCODING } from '../../users/import/row-reader.js';
import type { ImportFormat } from '../../users/import/row-reader.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { CommandError, appendRoleMapping } from './options.js';
import type { Terminal } from './terminal.js';

interface CommandOptions {
  readonly report?: string;
  readonly format?: ImportFormat;
  readonly mapRole?: ReadonlyMap<string, Role>;
  readonly allowAdmins?: boolean;
}

/** The maximum number of rejected rows in the output. A report contains all of them. */
const SHOWN_ROWS = 20;
const SHOWN_ROWS_JSON = 10_000;

const HELP = `
The CSV columns or JSON fields are username, and optionally password_hash, email, role, id and external_id. The id of the
user in your product becomes the external_id. An id that is a UUID also becomes the id in Tandem. A user without a
password_hash cannot log in with a password. Supported hashes: docs/adopt/import.md.

A role has 1 to 32 characters of a-z 0-9 _ -. Map other names, or give your roles other names:
  npm run admin -- import users.csv --map-role Administrator=manager
Without --allow-admins, a user with the role of ADMIN_ROLE gets the role user.

Existing users are not changed. You can repeat an interrupted import: users that were imported count as unchanged.`;

@AdminCommand()
export class ImportCommand {
  constructor(private readonly users: UserImportService) {}

  static describe(program: Command, run: Run<ImportCommand>): void {
    program
      .command('import')
      .description('import users from another system with their password hashes')
      .argument('<file>', 'CSV with a header or JSON lines, in UTF-8; - for stdin')
      .option('--report <file>', 'write the rejected rows to a file, as JSON lines with line and reason')
      .addOption(
        new Option('--format <format>', 'format of the file; default: detected from its content').choices([
          'csv',
          'jsonl',
        ]),
      )
      .option(
        '--map-role <theirs=ours>',
        'give users with the role THEIRS the role OURS; may be repeated',
        appendRoleMapping,
      )
      .option('--allow-admins', 'let the file make administrators')
      .addHelpText('after', HELP)
      .action(
        run((command, terminal, file: string, options: CommandOptions) =>
          command.import(terminal, file, options),
        ),
      );
  }

  private async import(
    terminal: Terminal,
    file: string,
    { report, format, mapRole: mappedRoles, allowAdmins }: CommandOptions,
  ): Promise<number> {
    const size = file === '-' ? 0 : await sizeOf(file);
    const input = file === '-' ? process.stdin : createReadStream(file);
    const shown: RejectedRow[] = [];
    const log = await openReport(report);
    const progress = await terminal.progress('Importing (bytes)', size);
    let done = 0;
    let wrongEncoding = 0;
    let counts: ImportCounts;
    try {
      counts = await this.users.run(
        input as AsyncIterable<Buffer>,
        {
          async rejected(row) {
            if (OTHER_ENCODING.some((reason) => reason === row.reason)) wrongEncoding += 1;
            if (shown.length < (terminal.json ? SHOWN_ROWS_JSON : SHOWN_ROWS)) shown.push(row);
            await log?.write(row);
          },
          advanced(bytes) {
            progress.advance(bytes - done);
            done = bytes;
          },
        },
        terminal.origin,
        { format, mappedRoles, allowAdmins },
      );
    } finally {
      progress.stop();
      await log?.end();
    }
    await terminal.result({ ...counts, rejected_rows: shown, report: report ?? null }, () =>
      summary(counts, shown, report),
    );
    if (wrongEncoding > 0)
      terminal.note(
        `${wrongEncoding} lines are not in UTF-8: convert the file (iconv -f … -t UTF-8), then run the import again`,
      );
    if (counts.demoted > 0)
      terminal.note(
        `${counted(counts.demoted, 'user')} of the file ${agree(counts.demoted, 'has', 'have')} the role of administrators and got the role user: ` +
          'use --allow-admins if the file may make administrators',
      );
    const { created, unchanged, kept } = counts;
    if (created + unchanged + kept === 0) terminal.note('No row was imported');
    return wrongEncoding > 0 || created + unchanged + kept === 0 ? 1 : 0;
  }
}

function summary(counts: ImportCounts, shown: readonly RejectedRow[], report: string | undefined): string[] {
  const more = counts.rejected - shown.length;
  return [
    ...shown.map(({ line, reason }) => `line ${line}: ${reason}`),
    ...(more > 0
      ? [`and ${more} more${report === undefined ? ': use --report to write all of them to a file' : ''}`]
      : []),
    `${counts.created} created, ${counts.unchanged} unchanged, ${counts.kept} existing with a different password, ` +
      `${counts.rejected} rejected`,
    ...(report === undefined ? [] : [`The rejected rows are in ${report}`]),
  ];
}

async function sizeOf(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new CommandError(`There is no file ${file}`);
  if (found.isDirectory()) throw new CommandError(`${file} is a folder`);
  return found.size;
}

interface Report {
  write(row: RejectedRow): Promise<void>;
  end(): Promise<void>;
}

/** Opens a file for JSON lines that only its owner can read. */
async function openReport(file: string | undefined): Promise<Report | undefined> {
  if (file === undefined) return undefined;
  const stream = createWriteStream(file, { mode: 0o600 });
  await once(stream, 'open').catch((error: Error) => {
    throw new CommandError(`Cannot write the report: ${error.message}`);
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
