import { Argument } from 'commander';
import type { Command } from 'commander';
import { AccountStore } from '../../users/account.store.js';
import type { Role, User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { adminUserView } from '../admin-user.view.js';
import { UserChanges } from '../user-changes.service.js';
import type { UserChange } from '../user-changes.service.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { collect, DEFAULT_SHOWN, MAX_SHOWN } from './collect.js';
import { FindUser } from './find-user.js';
import { mailAddress, wholeNumber } from './options.js';
import type { Terminal } from './terminal.js';

const USER = 'username or id';
const ROLES = ['user', 'admin'];

const PASSWORD_HELP = `
The password is asked for, or read from stdin where that is no terminal:
  pass show tandem/ada | npm run -s admin -- users create ada`;

interface ListOptions {
  readonly query?: string;
  readonly limit: number;
  readonly cursor?: string;
}

@AdminCommand()
export class UsersCommand {
  constructor(
    private readonly users: UserService,
    private readonly accounts: AccountStore,
    private readonly changes: UserChanges,
    private readonly find: FindUser,
  ) {}

  static describe(program: Command, run: Run<UsersCommand>): void {
    const users = program.command('users').description('who may log in');
    users
      .command('list')
      .description('list and find users, by name')
      .option('--query <text>', 'part of the name, the mail address or the external id')
      .option('--limit <n>', 'how many', wholeNumber(1, MAX_SHOWN), DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'the next_cursor of an earlier list')
      .action(run((command, terminal, options: ListOptions) => command.list(terminal, options)));
    users
      .command('create')
      .description('create a user')
      .argument('<username>')
      .option('--email <address>', 'mail address', mailAddress)
      .addOption(program.createOption('--role <role>').choices(ROLES).default('user'))
      .addHelpText('after', PASSWORD_HELP)
      .action(
        run((command, terminal, username: string, options: { role: Role; email?: string }) =>
          command.create(terminal, username, options),
        ),
      );
    users
      .command('disable')
      .description('end every login of a user, and let them begin none')
      .argument('<user>', USER)
      .action(run((command, terminal, user: string) => command.change(terminal, user, { disabled: true })));
    users
      .command('enable')
      .description('let a disabled user log in again')
      .argument('<user>', USER)
      .action(run((command, terminal, user: string) => command.change(terminal, user, { disabled: false })));
    users
      .command('role')
      .description('give a user another role; it counts at once')
      .argument('<user>', USER)
      .addArgument(new Argument('<role>').choices(ROLES))
      .action(run((command, terminal, user: string, role: Role) => command.change(terminal, user, { role })));
    users
      .command('reset-password')
      .description('set a password; every login of the user ends')
      .argument('<user>', USER)
      .addHelpText('after', PASSWORD_HELP)
      .action(run((command, terminal, user: string) => command.resetPassword(terminal, user)));
  }

  private async list(terminal: Terminal, { query, limit, cursor }: ListOptions): Promise<void> {
    const { entries, next_cursor } = await collect(limit, cursor, async (size, after) => {
      const page = await this.accounts.page(size, after, query);
      return { entries: page.users.map(adminUserView), next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ users: entries, next_cursor }, () => []);
    await terminal.table(entries, [
      'id',
      'username',
      'role',
      'disabled',
      'email',
      'external_id',
      'created_at',
    ]);
    terminal.more(next_cursor);
  }

  private async create(
    terminal: Terminal,
    username: string,
    options: { readonly role: Role; readonly email?: string },
  ): Promise<void> {
    const password = await terminal.newPassword();
    const user = await this.users.create({ username, password, ...options }, terminal.origin);
    await this.show(terminal, user, 'created');
  }

  private async change(terminal: Terminal, text: string, change: UserChange): Promise<void> {
    const { id } = await this.find.named(text);
    await this.show(terminal, await this.changes.change(id, change, terminal.origin), 'changed');
  }

  private async resetPassword(terminal: Terminal, text: string): Promise<void> {
    // First, so that nobody types a password for a user that there is not.
    await this.find.named(text);
    await this.change(terminal, text, { password: await terminal.newPassword() });
  }

  private async show(terminal: Terminal, user: User, what: string): Promise<void> {
    const view = adminUserView(user);
    await terminal.result(view, () => [
      `${what}: ${view.username} (${view.id}), ${view.role}${view.disabled ? ', disabled' : ''}`,
    ]);
  }
}
