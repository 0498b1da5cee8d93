import type { Command } from 'commander';
import { AdminCommand } from '../../../admin/cli/admin-command.js';
import type { Run } from '../../../admin/cli/admin-command.js';
import { CommandError } from '../../../admin/cli/options.js';
import type { Terminal } from '../../../admin/cli/terminal.js';
import { sqlStateOf } from '../../../common/transient-error.js';
import { SessionAttachmentStore } from './session-attachment.store.js';
import { SessionTable } from './session-table.js';

/** SQLSTATEs. */
const INSUFFICIENT_PRIVILEGE = '42501';
const LOCK_NOT_AVAILABLE = '55P03';

const HELP = `
Both are optional. The index makes it fast to revoke all sessions of a user in a large table. The trigger reports sessions that the
product ends. Without it, nodes poll. Both names begin with tandem_. The command needs the owner of the table. Its owner can also run the
SQL that npm run admin -- doctor prints. Making the index blocks neither readers nor writers of the table.`;

/** Puts an index and a trigger on the session table of a product, and removes them. */
@AdminCommand()
export class SessionsCommand {
  constructor(
    private readonly store: SessionAttachmentStore,
    private readonly table: SessionTable,
  ) {}

  static describe(program: Command, run: Run<SessionsCommand>): void {
    const sessions = program
      .command('sessions')
      .description("manage what Tandem puts on the product's session table");
    sessions
      .command('attach')
      .description('create the index and the trigger on the session table, if they are missing')
      .addHelpText('after', HELP)
      .action(run((command, terminal) => command.attach(terminal)));
    sessions
      .command('detach')
      .description("remove Tandem's indexes and triggers from all tables of the product")
      .action(run((command, terminal) => command.detach(terminal)));
  }

  private async attach(terminal: Terminal): Promise<void> {
    if (this.table.isOwn)
      throw new CommandError(
        `The table ${this.table.shown} is Tandem's own: it has the trigger, and nodes make the index`,
      );
    await this.changed(() => this.store.attach());
    const { hasIndex: index = false, hasTrigger: trigger = false } = (await this.store.state()) ?? {};
    const attached = [...(index ? ['index'] : []), ...(trigger ? ['trigger'] : [])];
    await terminal.result({ table: this.table.shown, index, trigger }, () => [
      `On the table ${this.table.shown}: ${attached.join(' and ') || 'nothing'}`,
      ...(index
        ? []
        : ['A partitioned table gets no index: revoking all sessions of a user reads every row']),
    ]);
  }

  private async detach(terminal: Terminal): Promise<void> {
    await this.changed(() => this.store.detach());
    await terminal.result({ index: false, trigger: false }, () => [
      "The product's tables have no index and no trigger of Tandem",
    ]);
  }

  private async changed(work: () => Promise<boolean>): Promise<void> {
    let alone: boolean;
    try {
      alone = await work();
    } catch (error) {
      throw explained(error);
    }
    if (!alone)
      throw new CommandError('Another process is changing the index: try again when it has finished');
  }
}

function explained(error: unknown): unknown {
  const { message } = error as Error;
  switch (sqlStateOf(error)) {
    case INSUFFICIENT_PRIVILEGE:
      return new CommandError(
        `The role of DATABASE_URL may not do that (${message}): let the owner of the table run the SQL that npm run admin -- doctor prints`,
      );
    case LOCK_NOT_AVAILABLE:
      return new CommandError('Another transaction locks the table: try again when it has finished');
    default:
      return error;
  }
}
