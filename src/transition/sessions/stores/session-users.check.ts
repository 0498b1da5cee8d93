import { Inject } from '@nestjs/common';
import { DoctorCheck, fail, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { counted } from '../../../common/text.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { SessionSampleStore } from './session-sample.store.js';
import { SessionTableStore } from './session-table.store.js';

const CHECK = 'session_users';

/** How many sessions are read. */
const SAMPLE = 200;

/** The form of a field in SESSION_USER_KEY. A longer name is more likely to be data. */
const FIELD = /^[A-Za-z_]\w{0,39}$/;

const DEEPEST = 4;

const IMPORT_USERS = 'import the users with their ids as external_id; see docs/adopt/import.md';

/** How many paths are reported. */
const MOST_PATHS = 20;

/** Checks that the sessions of a product name existing users: SESSION_USER_KEY may be wrong, or the import missing. */
@DoctorCheck()
export class SessionUsersCheck implements Examination {
  constructor(
    private readonly table: SessionTableStore,
    private readonly sample: SessionSampleStore,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    const described = await this.table.describe();
    // The check of the table reports these faults.
    if (described === undefined || described.lacking.includes('SELECT')) return [];
    const { layout, shown } = this.table.table;
    if (layout.filled.some((column) => described.columns[column] === undefined)) return [];
    const sessions = await this.sample.newest(SAMPLE);
    if (sessions.length === 0) return [ok(CHECK, 'no session is live')];
    const found = sessions.filter((session) => session.found).length;
    const all = `${found} of the ${sessions.length} newest live sessions name a user that exists`;
    if (found > 0) return [ok(CHECK, all)];
    if (layout.user !== undefined)
      return [fail(CHECK, `${all}: ${shown} names users whom Tandem does not know`, IMPORT_USERS)];
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
        IMPORT_USERS,
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

/**
 * The paths (as in SESSION_USER_KEY) at which sessions hold a text or a number, with the values there; the most frequent path first. The
 * fields of the cookie are left out, and so are paths of a single session among several: those may be data of one user.
 */
function pathsIn(sessions: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const text of sessions) {
    const session = parsed(text);
    if (isFields(session)) collect({ ...session, cookie: undefined }, [], found);
  }
  const common = [...found].filter(([, values]) => values.length >= Math.min(2, sessions.length));
  return new Map(common.toSorted(([, a], [, b]) => b.length - a.length).slice(0, MOST_PATHS));
}

function collect(fields: object, above: readonly string[], found: Map<string, string[]>): void {
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (!FIELD.test(name)) continue;
    const path = [...above, name];
    if (isFields(value)) {
      if (path.length < DEEPEST) collect(value, path, found);
    } else if (typeof value === 'string' || typeof value === 'number') {
      const key = path.join('.');
      found.set(key, [...(found.get(key) ?? []), String(value)]);
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
