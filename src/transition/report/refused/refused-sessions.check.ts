import { Inject } from '@nestjs/common';
import { CheckedOnNodes, DoctorCheck, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { counted } from '../../../common/text.js';
import { CONFIG } from '../../../config/config.js';
import { DatabaseClock } from '../../../tokens/feed/database-clock.js';
import type { TransitionConfig } from '../../transition.settings.js';
import type { RefusedSessionsDto } from '../report.dto.js';
import { ReportStore } from '../report.store.js';
import { DAY } from '../report-window.js';
import { refusedSessionsView } from './refused-sessions-view.js';

const CHECK = 'refused_sessions';

/** A smaller share of the requests by session is reported as normal: sessions end, and strangers send cookies. */
const SMALL_SHARE = 0.01;

/** Reports because of which settings sessions were refused in the last 24 hours. Never fails, because strangers can cause refusals. */
@DoctorCheck()
@CheckedOnNodes()
export class RefusedSessionsCheck implements Examination {
  constructor(
    private readonly store: ReportStore,
    private readonly clock: DatabaseClock,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    const until = this.clock.now();
    const window = { since: until - DAY * 1000, until };
    const { session } = await this.store.figures(window);
    const view = refusedSessionsView(await this.store.refused(window), session, this.config);
    const frequent = view.causes.filter(({ share }) => share >= SMALL_SHARE);
    if (frequent.length > 0) return frequent.map((cause) => warn(CHECK, messageOf(cause), adviceOf(cause)));
    return [
      ok(CHECK, `${counted(view.requests, 'request')} by session refused because of a setting in 24 hours`),
    ];
  }
}

function messageOf({ cause, requests, share, likely_cause }: RefusedSessionsDto['causes'][number]): string {
  const all = `${(share * 100).toFixed(1)} % of all requests by session in 24 hours`;
  return `${cause}: ${counted(requests, 'request')} refused (${all}). ${likely_cause}`;
}

function adviceOf({ advice }: RefusedSessionsDto['causes'][number]): string {
  return `${advice} Strangers may have sent some of these requests. See docs/transition/rollout-report.md`;
}
