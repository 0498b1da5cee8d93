import { open } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { counted } from '../../common/text.js';
import { AUDIT_EVENTS, AuditLogStore } from '../../audit/audit-log.store.js';
import type { AuditEventName, AuditFilter } from '../../audit/audit-log.store.js';
import { AuditVerifierService } from '../../audit/sealing/audit-verifier.service.js';
import type { Verification } from '../../audit/sealing/audit-verifier.service.js';
import { ChainHeadService } from '../../audit/sealing/chain-head.service.js';
import type { Head } from '../../audit/sealing/chain-head.service.js';
import { SealStore } from '../../audit/sealing/seal.store.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { readPages, DEFAULT_SHOWN, MAX_SHOWN, timeOrDuration, wholeNumber } from './options.js';
import { UserFinder } from './user-finder.js';
import type { Terminal } from './terminal.js';

interface FilterOptions {
  readonly user?: string;
  readonly event?: AuditEventName;
  readonly since?: Date;
  readonly until?: Date;
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly cursor?: string;
}

interface VerifyOptions {
  readonly head?: Head;
  readonly accept?: boolean;
}

const VERIFY_HELP = `
The exit code is 1 if an event was changed, removed or inserted. An attacker with access to the database can also delete
the newest events and their seals. Nodes detect this by the end of the chain, which they store in DATA_DIR. You can also
store the end elsewhere:
  npm run -s admin -- audit verify --json | jq -r '.head | "\\(.id):\\(.hash)"' > head.txt
  npm run admin -- audit verify --head "$(cat head.txt)"
After restoring a backup, accept the new end with --accept. It applies to all nodes within ten seconds.`;

const EXPORT_HELP = `
One event per line, oldest first:
  npm run -s admin -- audit export --since 30d > audit.jsonl
  npm run admin -- audit export --event revoke --output revokes.jsonl`;

@AdminCommand()
export class AuditCommand {
  constructor(
    private readonly log: AuditLogStore,
    private readonly verifier: AuditVerifierService,
    private readonly seals: SealStore,
    private readonly heads: ChainHeadService,
    private readonly finder: UserFinder,
  ) {}

  static describe(program: Command, run: Run<AuditCommand>): void {
    const audit = program.command('audit').description('read and verify the audit trail');
    const filtered = (command: Command) =>
      command
        .option('--user <user>', 'only events of this user (name, id or external id)')
        .addOption(program.createOption('--event <event>', 'only events of this kind').choices(AUDIT_EVENTS))
        .option('--since <time>', 'only since a time or a duration ago (15m, 12h, 30d)', timeOrDuration)
        .option('--until <time>', 'only before a time', timeOrDuration);
    filtered(audit.command('list').description('list security events, newest first'))
      .option('--limit <n>', 'maximum number of events', wholeNumber(1, MAX_SHOWN), DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'next_cursor of the previous page')
      .action(run((command, terminal, options: ListOptions) => command.list(terminal, options)));
    audit
      .command('verify')
      .description('detect tampering with the audit trail')
      .option('--head <seal:hash>', 'an end of the chain that you stored earlier', headOf)
      .option('--accept', 'accept the current end of the chain on all nodes')
      .addHelpText('after', VERIFY_HELP)
      .action(run((command, terminal, options: VerifyOptions) => command.verify(terminal, options)));
    filtered(audit.command('export').description('write events as JSON lines'))
      .option('--output <file>', 'a new file that only its owner can read; default: stdout')
      .addHelpText('after', EXPORT_HELP)
      .action(
        run((command, terminal, options: FilterOptions & { output?: string }) =>
          command.export(terminal, options),
        ),
      );
  }

  private async list(terminal: Terminal, { limit, cursor, ...options }: ListOptions): Promise<void> {
    const filter = await this.filter(options);
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.log.page(filter, size, after);
      return { entries: page.events, next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ events: entries, next_cursor }, () => []);
    await terminal.table(entries, [
      'id',
      'at',
      'event',
      'cause',
      'user_id',
      'actor_id',
      'sid',
      'ip',
      'count',
      'detail',
    ]);
    terminal.more(next_cursor);
  }

  private async verify(terminal: Terminal, { head, accept }: VerifyOptions): Promise<number> {
    if (accept === true) await this.heads.accept(await this.seals.newest(), terminal.origin);
    const progress = await terminal.progress('events', await this.seals.sealedEvents());
    const verification = await this.verifier
      .verify(head, (count) => progress.advance(count))
      .finally(() => progress.stop());
    await terminal.result(verification, () => linesOf(verification));
    return verification.intact ? 0 : 1;
  }

  private async export(
    terminal: Terminal,
    options: FilterOptions & { readonly output?: string },
  ): Promise<void> {
    const filter = await this.filter(options);
    const file = options.output === undefined ? undefined : await open(options.output, 'wx', 0o600);
    const progress = await terminal.progress('events', 0);
    let count = 0;
    try {
      for await (const events of this.log.pages(filter)) {
        const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');
        if (file === undefined) await terminal.write(lines);
        else await file.write(lines);
        count += events.length;
        progress.advance(events.length);
      }
      await file?.sync();
    } finally {
      progress.stop();
      await file?.close();
    }
    terminal.note(`${counted(count, 'event')} exported`);
  }

  private async filter({ user, event, since, until }: FilterOptions): Promise<AuditFilter> {
    const userId = user === undefined ? undefined : (await this.finder.find(user)).id;
    return { userId, event, since, until };
  }
}

function headOf(text: string): Head {
  const [, id, hash] = /^(\d{1,18}):([0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (id === undefined || hash === undefined)
    throw new InvalidArgumentError('It must be a number, a colon and 64 hexadecimal digits.');
  return { id, hash };
}

function linesOf({ intact, seals, events, head, unsealed, findings }: Verification): string[] {
  const found = findings.map(({ kind, first_id, last_id, message }) => {
    const range = first_id === null ? '' : ` (ids ${first_id} to ${last_id ?? 'now'})`;
    return `${kind.padEnd(11)} ${message}${range}`;
  });
  const end = head === null ? 'there is no seal yet' : `the chain ends with ${head.id}:${head.hash}`;
  return [
    ...found,
    `${intact ? 'intact' : 'NOT INTACT'}: ${counted(events, 'event')} in ${counted(seals, 'seal')}, ${unsealed} not sealed yet; ${end}`,
  ];
}
