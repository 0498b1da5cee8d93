import { Argument } from 'commander';
import type { Command } from 'commander';
import { AccountStore } from '../../users/account.store.js';
import type { Role, User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { adminUserView } from '../admin.dto.js';
import { UserChangeService } from '../user-change.service.js';
import type { UserChange } from '../user-change.service.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { readPages, DEFAULT_SHOWN, MAX_SHOWN, mailAddress, wholeNumber } from './options.js';
import { UserFinder } from './user-finder.js';
import type { Terminal } from './terminal.js';

const USER = 'username or id';
const ROLES = ['user', 'admin'];

const PASSWORD_HELP = `
The command asks for the password. If stdin is not a terminal, it reads the password from stdin:
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
    private readonly changes: UserChangeService,
    private readonly finder: UserFinder,
  ) {}

  static describe(program: Command, run: Run<UsersCommand>): void {
    const users = program.command('users').description('manage users');
    users
      .command('list')
      .description('list and find users, sorted by name')
      .option('--query <text>', 'part of the username, email address or external id')
      .option('--limit <n>', 'maximum number of users', wholeNumber(1, MAX_SHOWN), DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'next_cursor of the previous page')
      .action(run((command, terminal, options: ListOptions) => command.list(terminal, options)));
    users
      .command('create')
      .description('create a user')
      .argument('<username>')
      .option('--email <address>', 'email address', mailAddress)
      .addOption(program.createOption('--role <role>').choices(ROLES).default('user'))
      .addHelpText('after', PASSWORD_HELP)
      .action(
        run((command, terminal, username: string, options: { role: Role; email?: string }) =>
          command.create(terminal, username, options),
        ),
      );
    users
      .command('disable')
      .description('disable a user and revoke all their token families and sessions')
      .argument('<user>', USER)
      .action(run((command, terminal, user: string) => command.change(terminal, user, { disabled: true })));
    users
      .command('enable')
      .description('enable a disabled user')
      .argument('<user>', USER)
      .action(run((command, terminal, user: string) => command.change(terminal, user, { disabled: false })));
    users
      .command('role')
      .description('change the role of a user immediately')
      .argument('<user>', USER)
      .addArgument(new Argument('<role>').choices(ROLES))
      .action(run((command, terminal, user: string, role: Role) => command.change(terminal, user, { role })));
    users
      .command('reset-password')
      .description('set a password and revoke all token families and sessions of the user')
      .argument('<user>', USER)
      .addHelpText('after', PASSWORD_HELP)
      .action(run((command, terminal, user: string) => command.resetPassword(terminal, user)));
  }

  private async list(terminal: Terminal, { query, limit, cursor }: ListOptions): Promise<void> {
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
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
    const { id } = await this.finder.find(text);
    await this.show(terminal, await this.changes.change(id, change, terminal.origin), 'changed');
  }

  private async resetPassword(terminal: Terminal, text: string): Promise<void> {
    // Report an unknown user before asking for the password.
    await this.finder.find(text);
    await this.change(terminal, text, { password: await terminal.newPassword() });
  }

  private async show(terminal: Terminal, user: User, what: string): Promise<void> {
    const view = adminUserView(user);
    await terminal.result(view, () => [
      `${what}: ${view.username} (${view.id}), ${view.role}${view.disabled ? ', disabled' : ''}`,
    ]);
  }
}
