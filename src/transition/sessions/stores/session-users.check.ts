import { Inject } from '@nestjs/common';
import { DoctorCheck, fail, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { counted } from '../../../common/text.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { pathsIn } from '../http/session-paths.js';
import { SessionSampleStore } from './session-sample.store.js';
import { SessionTableStore } from './session-table.store.js';

const CHECK = 'session_users';

/** Sessions that are looked at. */
const SAMPLE = 200;

/** Whether the sessions that a product has made name users that exist: SESSION_USER_KEY may be wrong, or the import missing. */
@DoctorCheck()
export class SessionUsersCheck implements Examination {
  constructor(
    private readonly table: SessionTableStore,
    private readonly sample: SessionSampleStore,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    const described = await this.table.describe();
    // What is wrong with the table itself is another check's finding.
    if (described === undefined || described.lacking.includes('SELECT')) return [];
    if (['sess', 'expire'].some((column) => described.columns[column] === undefined)) return [];
    const sessions = await this.sample.newest(SAMPLE);
    if (sessions.length === 0) return [ok(CHECK, 'no session is live')];
    const found = sessions.filter((session) => session.found).length;
    const all = `${found} of the ${sessions.length} newest live sessions name a user that exists`;
    if (found > 0) return [ok(CHECK, all)];
    return [await this.nobodyFound(all, sessions)];
  }

  private async nobodyFound(
    message: string,
    sessions: readonly { readonly sess: string | null; readonly named: boolean }[],
  ): Promise<Finding> {
    const { sessionUserKey } = this.config;
    const named = sessions.filter((session) => session.named).length;
    const paths = pathsIn(sessions.flatMap(({ sess }) => sess ?? []));
    const better = await this.bestOf(paths);
    if (better !== undefined)
      return fail(
        CHECK,
        `${message} at SESSION_USER_KEY (${sessionUserKey}), but sessions name ${counted(better.users, 'user')} at ${better.path}`,
        `set SESSION_USER_KEY=${better.path}`,
      );
    if (named > 0)
      return fail(
        CHECK,
        `${message}, and ${named} name one that does not exist at SESSION_USER_KEY (${sessionUserKey})`,
        'import the users with their ids as external_id; see docs/adopt/import.md',
      );
    const keys = paths.size === 0 ? 'no value' : [...paths.keys()].join(', ');
    return warn(
      CHECK,
      `${message}: at SESSION_USER_KEY (${sessionUserKey}) there is no text and no number`,
      `if users are logged in, set SESSION_USER_KEY to where sessions hold the user; they hold ${keys}`,
    );
  }

  /** The path at which sessions name the most users; undefined if they name none. */
  private async bestOf(
    paths: ReadonlyMap<string, readonly string[]>,
  ): Promise<{ readonly path: string; readonly users: number } | undefined> {
    const counts: { readonly path: string; readonly users: number }[] = [];
    for (const [path, values] of paths) counts.push({ path, users: await this.sample.existing(values) });
    return counts.filter(({ users }) => users > 0).toSorted((a, b) => b.users - a.users)[0];
  }
}
