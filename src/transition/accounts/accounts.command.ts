import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import { AdminCommand, commandGroup } from '../../admin/cli/admin-command.js';
import type { Run } from '../../admin/cli/admin-command.js';
import { CommandError } from '../../admin/cli/options.js';
import type { Terminal } from '../../admin/cli/terminal.js';
import { linesOf } from '../../users/import/lines.js';
import { AdoptionService } from './adoption.service.js';
import type { Adoption } from './adoption.service.js';
import { CONFIRMATION_MINUTES } from './missing-users.service.js';
import { SourceStateStore } from './source-state.store.js';

const NOT_SET = 'USERS_SOURCE_BY_NAME and USERS_SOURCE_BY_ID are not set: no product owns users';

const NO_LIST =
  'USERS_SOURCE_BY_ID cannot be turned into a list of all users: it does not compare $1 with "= $1" exactly once. ' +
  'Pass the ids of all users: --ids FILE, one id per line';

const ADOPT_HELP = `
Copies every user of the product, with name, role and password hash. Tandem checks the passwords itself once USERS_SOURCE_BY_NAME and
USERS_SOURCE_BY_ID are removed. Repeat the command just before that: it copies what has changed since.`;

/** The commands about users whom a product owns. */
@AdminCommand()
export class AccountsCommand {
  constructor(
    private readonly adoption: AdoptionService,
    private readonly state: SourceStateStore,
  ) {}

  static describe(program: Command, run: Run<AccountsCommand>): void {
    const users = commandGroup(program, 'users');
    users
      .command('adopt')
      .description('copy all users of the product over, so that it can stop owning them')
      .option(
        '--ids <file>',
        'the ids of all users, one per line; default: a list made from USERS_SOURCE_BY_ID',
      )
      .addHelpText('after', ADOPT_HELP)
      .action(run((command, terminal, options: { ids?: string }) => command.adopt(terminal, options)));
    users
      .command('confirm-missing')
      .description(
        `end the alarm about missing users: for ${CONFIRMATION_MINUTES} minutes, users without a row in the product are logged out`,
      )
      .action(run((command, terminal) => command.confirmMissing(terminal)));
  }

  private async adopt(terminal: Terminal, { ids: file }: { readonly ids?: string }): Promise<number> {
    if (!this.adoption.isSet) throw new CommandError(NOT_SET);
    if (file === undefined && !this.adoption.canList) throw new CommandError(NO_LIST);
    const ids =
      file === undefined ? await this.adoption.allIds() : await this.adoption.withKnown(await idsIn(file));
    const progress = await terminal.progress('users', ids.size);
    const adoption = await this.adoption.adopt(ids, () => progress.advance()).finally(() => progress.stop());
    await terminal.result(adoption, () => linesAbout(adoption));
    return Object.keys(adoption.failed).length === 0 ? 0 : 1;
  }

  private async confirmMissing(terminal: Terminal): Promise<void> {
    if (!this.adoption.isSet) throw new CommandError(NOT_SET);
    await this.state.confirm(CONFIRMATION_MINUTES);
    const minutes = CONFIRMATION_MINUTES;
    await terminal.result({ minutes }, () => [
      `confirmed: for ${minutes} minutes, users without a row in the product are logged out`,
    ]);
  }
}

function linesAbout(adoption: Adoption): string[] {
  const { adopted, missing, failed, without_password, unusable_password, other_name } = adoption;
  return [
    `adopted: ${adopted}`,
    `without a row in the product, and unchanged: ${missing}`,
    ...Object.entries(failed).map(([fault, count]) => `failed, and unchanged: ${count} (${fault})`),
    `adopted without a password: ${without_password}`,
    `adopted with a password hash that cannot be checked: ${unusable_password}`,
    `adopted under another name: ${other_name.length}${other_name.length > 0 ? ` (external ids: ${other_name.slice(0, 20).join(', ')})` : ''}`,
  ];
}

async function idsIn(file: string): Promise<Set<string>> {
  const ids = new Set<string>();
  const input = file === '-' ? process.stdin : createReadStream(file);
  try {
    for await (const { bytes } of linesOf(input)) {
      const id = bytes?.toString('utf8').trim() ?? '';
      if (id !== '') ids.add(id);
    }
  } catch (error) {
    throw new CommandError(
      `The file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
    );
  }
  return ids;
}
