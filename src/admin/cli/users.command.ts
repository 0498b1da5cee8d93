import { Argument } from 'commander';
import type { Command } from 'commander';
import { AdminRoleService } from '../../auth/admin-role.service.js';
import { DEFAULT_ROLE } from '../../common/role.js';
import { AccountStore } from '../../users/account.store.js';
import type { RoleHolder } from '../../users/account.store.js';
import type { Role } from '../../common/role.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { adminUserView } from '../admin.dto.js';
import { UserChangeService } from '../../auth/account/user-change.service.js';
import type { UserChange } from '../../auth/account/user-change.service.js';
import { AdminCommand, commandGroup } from './admin-command.js';
import type { Run } from './admin-command.js';
import {
  readPages,
  DEFAULT_SHOWN,
  MAX_SHOWN,
  CommandError,
  mailAddress,
  roleName,
  wholeNumber,
} from './options.js';
import { UserFinder } from './user-finder.js';
import type { Terminal } from './terminal.js';

const USER = 'username, id or external id';

const PASSWORD_HELP = `
The command asks for the password. If stdin is not a terminal, it reads the password from stdin:
  pass show tandem/ada | npm run -s admin -- users create ada`;

const ADMIN_ROLE_HELP = `
The command lists who becomes an administrator and who is one no longer, and invalidates their access tokens. If ADMIN_ROLE
is set, change it too before the next start of a node: a node with another ADMIN_ROLE does not start.`;

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
    private readonly adminRoles: AdminRoleService,
  ) {}

  static describe(program: Command, run: Run<UsersCommand>): void {
    const users = commandGroup(program, 'users').description('manage users');
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
      .option('--role <role>', 'role', roleName, DEFAULT_ROLE)
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
      .addArgument(new Argument('<role>').argParser(roleName))
      .action(run((command, terminal, user: string, role: Role) => command.change(terminal, user, { role })));
    users
      .command('external-id')
      .description('set the id by which the product knows the user; "none" removes it')
      .argument('<user>', USER)
      .argument('<external-id>')
      .action(
        run((command, terminal, user: string, id: string) =>
          command.change(terminal, user, { externalId: id === 'none' ? null : id }),
        ),
      );
    users
      .command('admin-role')
      .description(
        'change the role whose users are administrators (ADMIN_ROLE), on every node within a second',
      )
      .addArgument(new Argument('<name>', 'the role').argParser(roleName))
      .addHelpText('after', ADMIN_ROLE_HELP)
      .action(run((command, terminal, role: Role) => command.changeAdminRole(terminal, role)));
    users
      .command('reset-password')
      .description('set a password and revoke all token families and sessions of the user')
      .argument('<user>', USER)
      .addHelpText('after', PASSWORD_HELP)
      .action(run((command, terminal, user: string) => command.resetPassword(terminal, user)));
  }

  private async list(terminal: Terminal, { query, limit, cursor }: ListOptions): Promise<void> {
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.accounts.page(size, after, { query });
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

  private async changeAdminRole(terminal: Terminal, role: Role): Promise<void> {
    if (role === DEFAULT_ROLE)
      throw new CommandError(
        `The role ${DEFAULT_ROLE} cannot be the role of administrators: everybody has it`,
      );
    const { gained, lost } = await this.adminRoles.change(role, terminal.origin);
    const line = (what: string) => (user: RoleHolder) =>
      `${what}: ${user.username} (${user.id})${user.disabled ? ', disabled' : ''}`;
    await terminal.result({ admin_role: role, gained, lost }, () => [
      `The role of administrators is ${role}`,
      ...gained.map(line('gained')),
      ...lost.map(line('lost')),
    ]);
    const active = await this.accounts.withRole(role);
    if (!active.some(({ disabled }) => !disabled))
      terminal.note(`No active user has the role ${role}: npm run admin -- users role NAME ${role}`);
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
