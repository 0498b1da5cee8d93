import type { FiguresByScheme, SchemeFigures } from '../../../../src/transition/autopilot/comparison.js';
import { seeded } from '../../../unit/transition/autopilot/scripted.js';

/** How far the report may be behind, in seconds. */
const LAG = 5;

/** Sums from the beginning until a second. */
interface Sums {
  readonly requests: number;
  readonly errors: number;
  readonly logouts: number;
}

type Scheme = keyof FiguresByScheme;

export interface TrafficOptions {
  readonly users: number;
  /** Seconds between two calls of one user, on average. */
  readonly pause: number;
  /** Of any call, whatever it comes by. */
  readonly errorRate?: number;
  readonly seed?: number;
}

/**
 * Users who call now and then, in seconds of a clock that the test moves: the first per cents of them by token, as many as the rollout
 * has at that moment, the others by session. Told as the report tells it, five seconds late.
 */
export class Traffic {
  /** The clock, in seconds. */
  second = 0;
  /** What goes wrong with tokens now, on top of what always does: the chance of each call to fail, or to be logged out. */
  fault = { errors: 0, logouts: 0 };
  /** Users whom the fault has met. */
  readonly hurt = new Set<number>();
  private readonly sums: Record<Scheme, Sums[]>;
  /** When each user last came by a scheme. */
  private readonly last: Record<Scheme, Int32Array>;
  private readonly random: () => number;

  constructor(private readonly options: TrafficOptions) {
    const { users, seed = 1 } = options;
    const none = { requests: 0, errors: 0, logouts: 0 };
    this.random = seeded(seed);
    this.sums = { bearer: [none], session: [none] };
    this.last = { bearer: new Int32Array(users).fill(-1), session: new Int32Array(users).fill(-1) };
  }

  /** One second in which `percentage` of the users come by token. */
  pass(percentage: number): void {
    const { users, pause, errorRate = 0 } = this.options;
    const now = { bearer: { ...this.sums.bearer.at(-1)! }, session: { ...this.sums.session.at(-1)! } };
    const wanted = users / pause;
    const calls = Math.floor(wanted) + (this.random() < wanted % 1 ? 1 : 0);
    for (let call = 0; call < calls; call += 1) {
      const user = Math.floor(this.random() * users);
      const scheme = user < (users * percentage) / 100 ? 'bearer' : 'session';
      const faulty = scheme === 'bearer' && this.random() < this.fault.errors;
      const logout = scheme === 'bearer' && this.random() < this.fault.logouts;
      now[scheme] = {
        requests: now[scheme].requests + 1,
        errors: now[scheme].errors + (faulty || this.random() < errorRate ? 1 : 0),
        logouts: now[scheme].logouts + (logout ? 1 : 0),
      };
      this.last[scheme][user] = this.second;
      if (faulty || logout) this.hurt.add(user);
    }
    for (const scheme of ['bearer', 'session'] as const) this.sums[scheme].push(now[scheme]);
    this.second += 1;
  }

  /** What has been reported of a window that ends now, given in milliseconds. */
  between = ({ since }: { since: number; until: number }): Promise<FiguresByScheme> =>
    Promise.resolve({ bearer: this.of('bearer', since), session: this.of('session', since) });

  private of(scheme: Scheme, since: number): SchemeFigures {
    const from = Math.floor(since / 1000);
    const to = Math.max(from, this.second - LAG);
    const [before, after] = [this.sums[scheme][from]!, this.sums[scheme][to]!];
    return {
      requests: after.requests - before.requests,
      errors: after.errors - before.errors,
      logouts: after.logouts - before.logouts,
      users: this.last[scheme].reduce((count, second) => count + (second >= from ? 1 : 0), 0),
    };
  }
}
