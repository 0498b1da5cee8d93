import type { Command } from 'commander';
import { counted } from '../../common/text.js';
import { canonicalAddress } from '../../limits/client-address.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { FamilyListStore } from '../../tokens/families/family-list.store.js';
import type { Role } from '../../common/role.js';
import { BulkRevocationService } from '../bulk-revocation.service.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import {
  readPages,
  DEFAULT_SHOWN,
  MAX_SHOWN,
  CommandError,
  address,
  appendValue,
  roleName,
  timeOrDuration,
  uuid,
  wholeNumber,
} from './options.js';
import { UserFinder } from './user-finder.js';
import type { Terminal } from './terminal.js';

interface ListOptions {
  readonly user?: string;
  readonly ip?: string;
  readonly active?: boolean;
  readonly ended?: boolean;
  readonly limit: number;
  readonly cursor?: string;
}

interface RevokeOptions {
  readonly user?: readonly string[];
  readonly role?: Role;
  readonly ip?: string;
  readonly issuedBefore?: Date;
}

interface RevokeTyped extends RevokeOptions {
  readonly expectedCount?: number;
}

const REVOKE_HELP = `
Give ids or at least one filter. Several filters must all match:
  npm run admin -- tokens revoke 0b9f6c0e-8f1d-4f5e-9a53-0a6f0c3d2b11
  npm run admin -- tokens revoke --user ada --user grace
  npm run admin -- tokens revoke --issued-before 2h --ip 192.0.2.7`;

@AdminCommand()
export class TokensCommand {
  constructor(
    private readonly families: FamilyListStore,
    private readonly revocations: RevocationService,
    private readonly bulk: BulkRevocationService,
    private readonly finder: UserFinder,
  ) {}

  static describe(program: Command, run: Run<TokensCommand>): void {
    const tokens = program.command('tokens').description('manage token families, one per login and device');
    tokens
      .command('list')
      .description('list token families, newest first')
      .option('--user <user>', 'only of this user (name, id or external id)')
      .option('--ip <address>', 'only last used from this address', address)
      .option('--active', 'only live families')
      .option('--ended', 'only expired or revoked families')
      .option('--limit <n>', 'maximum number of families', wholeNumber(1, MAX_SHOWN), DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'next_cursor of the previous page')
      .action(run((command, terminal, options: ListOptions) => command.list(terminal, options)));
    tokens
      .command('revoke')
      .description('revoke token families, on every node within a second')
      .argument('[id...]', 'ids from "tokens list"')
      .option('--user <user>', 'only of this user (name, id or external id); may be repeated', appendValue)
      .option('--role <role>', 'only of users with this role', roleName)
      .option('--ip <address>', 'only last used from this address', address)
      .option(
        '--issued-before <time>',
        'only logins before a time or a duration ago (15m, 12h, 30d)',
        timeOrDuration,
      )
      .option(
        '--expected-count <n>',
        'with filters: revoke nobody if more would end',
        wholeNumber(0, 2_147_483_647),
      )
      .addHelpText('after', REVOKE_HELP)
      .action(
        run((command, terminal, ids: string[], options: RevokeTyped) =>
          command.revoke(terminal, ids.map(uuid), options),
        ),
      );
  }

  private async list(terminal: Terminal, options: ListOptions): Promise<void> {
    const { user, ip, active, ended, limit, cursor } = options;
    const filter = {
      userIds: user === undefined ? undefined : [(await this.finder.find(user)).id],
      ip: canonicalAddress(ip),
      state: active === ended ? undefined : active === true ? ('active' as const) : ('ended' as const),
    };
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.families.page(filter, size, after);
      return { entries: page.tokens, next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ tokens: entries, next_cursor }, () => []);
    await terminal.table(entries, [
      'id',
      'username',
      'state',
      'created_at',
      'last_used_at',
      'ip',
      'user_agent',
    ]);
    terminal.more(next_cursor);
  }

  private async revoke(
    terminal: Terminal,
    ids: readonly string[],
    { expectedCount, ...options }: RevokeTyped,
  ): Promise<void> {
    const filtered = Object.keys(options).length > 0;
    if (expectedCount !== undefined && !filtered)
      throw new CommandError('--expected-count needs a filter; nothing was revoked');
    if (filtered === ids.length > 0)
      throw new CommandError('Give either ids or filters; nothing was revoked');
    const revoked = filtered
      ? await this.byFilter(terminal, options, expectedCount)
      : await this.byId(terminal, ids);
    await terminal.result({ revoked }, () => [
      `Revoked ${counted(revoked, 'token family', 'token families')}`,
    ]);
  }

  private async byId(terminal: Terminal, ids: readonly string[]): Promise<number> {
    for (const id of ids) {
      if (!(await this.families.exists(id)))
        throw new CommandError(`There is no token family ${id}; nothing was revoked`);
    }
    return this.revocations.revokeFamilies(ids, 'revoke', 'revoke', terminal.origin);
  }

  private async byFilter(
    terminal: Terminal,
    { user, role, ip, issuedBefore }: RevokeOptions,
    expectedCount: number | undefined,
  ): Promise<number> {
    const userIds: string[] = [];
    for (const name of user ?? []) userIds.push((await this.finder.find(name)).id);
    const filter = {
      userIds: user === undefined ? undefined : userIds,
      role,
      ip: canonicalAddress(ip),
      issuedBefore,
    };
    return this.bulk.revoke(filter, { origin: terminal.origin, expectedCount });
  }
}
