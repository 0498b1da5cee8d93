import { Inject } from '@nestjs/common';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { AdminCommand } from '../../admin/cli/admin-command.js';
import type { Run } from '../../admin/cli/admin-command.js';
import {
  readPages,
  DEFAULT_SHOWN,
  MAX_SHOWN,
  CommandError,
  appendRole,
  time,
  wholeNumber,
} from '../../admin/cli/options.js';
import { instantIn } from '../../common/instant.js';
import { CONFIG } from '../../config/config.js';
import { UserFinder } from '../../admin/cli/user-finder.js';
import type { Terminal } from '../../admin/cli/terminal.js';
import type { Role } from '../../common/role.js';
import type { TransitionConfig } from '../transition.settings.js';
import { RolloutAdministrationService } from './rollout-administration.service.js';
import { PHASES } from './rollout-state.js';
import type { Brownout, Phase, RolloutState } from './rollout-state.js';
import { stateView } from './rollout-view.js';

const MAX_VERSION = 2_147_483_647;

/** The options that were typed. False: the --no- form. */
interface Typed {
  readonly phase?: Phase;
  readonly percentage?: number;
  readonly roles?: readonly Role[] | false;
  readonly users?: readonly string[] | false;
  readonly sunset?: Date | false;
  readonly brownout?: readonly Brownout[] | false;
  readonly drain?: boolean;
  readonly ifVersion?: number;
}

const SET_HELP = `
Changes the named settings, on every node within a second:
  npm run admin -- rollout set --phase gradual_rollout --percentage 10
  npm run admin -- rollout set --phase deprecation_notice --percentage 100 --sunset 2027-06-30T00:00:00Z
  npm run admin -- rollout set --brownout 2027-05-03T09:00Z/2027-05-03T09:15Z --brownout 2027-05-10T09:00Z/2027-05-10T10:00Z
  npm run admin -- rollout set --phase internal_beta --percentage 0 --users ada grace
A change of phase that makes users eligible who are not eligible now needs --percentage.
Times need a zone. A date such as 2027-06-30 begins at midnight UTC.`;

/** What to do about a user whom Tandem does not know. */
const ADD_USERS = 'Add the user with npm run admin -- users create, or import the users of your product';
const USERS_COME_BY_THEMSELVES =
  'Tandem adds a user of your product at the first request with their session. To add all users now: npm run admin -- users adopt';

@AdminCommand()
export class RolloutCommand {
  constructor(
    private readonly administration: RolloutAdministrationService,
    private readonly finder: UserFinder,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  static describe(program: Command, run: Run<RolloutCommand>): void {
    const version = wholeNumber(1, MAX_VERSION);
    const rollout = program
      .command('rollout')
      .description('read and change the rollout from sessions to tokens');
    rollout
      .command('status')
      .description('the state of the rollout')
      .action(run((command, terminal) => command.status(terminal)));
    rollout
      .command('set')
      .description('change the rollout')
      .addOption(program.createOption('--phase <phase>').choices(PHASES))
      .option('--percentage <n>', 'of all users', wholeNumber(0, 100))
      .option('--roles <role...>', 'roles that are eligible from internal_beta on', appendRole)
      .option('--no-roles', 'no role')
      .option('--users <user...>', 'users who are eligible from internal_beta on: names or ids')
      .option('--no-users', 'no user')
      .option(
        '--sunset <time>',
        'when sessions end: a date such as 2027-06-30, or a time such as 2027-06-30T12:00:00Z',
        time,
      )
      .option('--no-sunset', 'sessions do not end')
      .option(
        '--brownout <from/to>',
        'refuse sessions for this time, as a rehearsal: 2027-05-03T09:00Z/2027-05-03T09:15Z. May be repeated. Replaces all earlier brownouts',
        appendBrownout,
      )
      .option('--no-brownout', 'no brownouts')
      .option('--drain', 'users who are not eligible return to sessions at their next refresh')
      .option('--no-drain', 'these users keep their tokens')
      .option('--if-version <n>', 'only if this is still the version', version)
      .addHelpText('after', SET_HELP)
      .action(run((command, terminal, options: Typed) => command.set(terminal, options)));
    rollout
      .command('rollback')
      .description('roll back to the previous state. Repeat to go back further. Signs nobody out')
      .option('--drain', 'users who are no longer eligible return to sessions')
      .option('--no-drain', 'these users keep their tokens')
      .option('--if-version <n>', 'only if this is still the version, so that a retry is safe', version)
      .action(run((command, terminal, options: Typed) => command.rollBack(terminal, options)));
    rollout
      .command('history')
      .description('who changed what and when, newest first')
      .option('--limit <n>', 'how many', wholeNumber(1, MAX_SHOWN), DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'the next_cursor of an earlier list')
      .action(
        run((command, terminal, { limit, cursor }: { limit: number; cursor?: string }) =>
          command.history(terminal, limit, cursor),
        ),
      );
  }

  private async status(terminal: Terminal): Promise<void> {
    await this.show(terminal, await this.administration.read());
  }

  private async set(terminal: Terminal, options: Typed): Promise<void> {
    const { phase, percentage, drain, ifVersion } = options;
    const sunset = options.sunset === false ? null : options.sunset?.getTime();
    const roles = options.roles === false ? [] : options.roles;
    const userIds = options.users === false ? [] : await this.idsOf(options.users);
    const brownouts = options.brownout === false ? [] : options.brownout;
    const patch = { phase, percentage, drain, roles, userIds, sunsetAt: sunset, brownouts };
    if (Object.values(patch).every((value) => value === undefined))
      throw new CommandError('No setting was named: see --help');
    await this.show(terminal, await this.administration.change(patch, ifVersion, by(terminal)));
  }

  private async rollBack(terminal: Terminal, { drain, ifVersion }: Typed): Promise<void> {
    await this.show(terminal, await this.administration.rollBack(drain, ifVersion, by(terminal)));
  }

  private async history(terminal: Terminal, limit: number, cursor: string | undefined): Promise<void> {
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.administration.history(size, after);
      return { entries: page.events, next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ events: entries, next_cursor }, () => []);
    await terminal.table(entries, ['version', 'at', 'cause', 'actor', 'changes']);
    terminal.more(next_cursor);
  }

  private async idsOf(users: readonly string[] | undefined): Promise<string[] | undefined> {
    if (users === undefined) return undefined;
    const remedy = this.config.usersSource === undefined ? ADD_USERS : USERS_COME_BY_THEMSELVES;
    const ids: string[] = [];
    for (const user of users) ids.push((await this.finder.find(user, remedy)).id);
    return ids;
  }

  private async show(terminal: Terminal, state: RolloutState): Promise<void> {
    const view = stateView(state);
    await terminal.result(view, () =>
      Object.entries(view).map(([field, value]) => `${field.padEnd(10)}  ${JSON.stringify(value)}`),
    );
  }
}

/** Parses `FROM/TO`, the notation of ISO 8601 for a time interval, and appends it. */
function appendBrownout(text: string, earlier: readonly Brownout[] | boolean | undefined): Brownout[] {
  const [from, to, ...rest] = text
    .split('/')
    .map((part) => (part.includes('T') ? instantIn(part) : undefined));
  if (from === undefined || to === undefined || rest.length > 0)
    throw new InvalidArgumentError(BROWNOUT_FORMAT);
  return [...(Array.isArray(earlier) ? (earlier as readonly Brownout[]) : []), { from, to }];
}

const BROWNOUT_FORMAT =
  'It must be two times with a zone and a slash between them, such as 2027-01-31T12:00:00Z/2027-01-31T12:15:00Z.';

function by({ origin }: Terminal) {
  return { actorId: undefined, origin, provedPassword: true };
}
