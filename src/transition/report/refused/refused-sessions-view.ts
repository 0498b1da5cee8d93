import type { TransitionConfig } from '../../transition.settings.js';
import type { RefusedSessionsDto } from '../report.dto.js';
import type { Figures, RefusedRequests } from '../report.store.js';
import { NOT_EXAMINED } from './setting-cause.js';
import { isSettingCause, MAY_BE_STRANGERS, textOf } from './setting-cause-text.js';

/** The part of the report about refused sessions, most requests first. `session`: the figures of the same window. */
export function refusedSessionsView(
  rows: readonly RefusedRequests[],
  session: Pick<Figures, 'requests' | 'errors'>,
  config: TransitionConfig,
): RefusedSessionsDto {
  const accepted = session.requests - [...session.errors.values()].reduce((sum, n) => sum + n, 0);
  const share = (requests: number) => shareOf(requests, session.requests);
  const causes = rows
    .toSorted((a, b) => b.requests - a.requests || (a.cause < b.cause ? -1 : 1))
    .flatMap(({ cause, requests, firstSeen, lastSeen }) => {
      // A later release may have written another cause.
      if (!isSettingCause(cause)) return [];
      const { likelyCause, advice } = textOf(cause, requests, accepted, config);
      const seen = { first_seen: firstSeen, last_seen: lastSeen };
      return [{ cause, requests, share: share(requests), ...seen, likely_cause: likelyCause, advice }];
    });
  const requests = causes.reduce((sum, cause) => sum + cause.requests, 0);
  const rest = rows.find(({ cause }) => cause === NOT_EXAMINED);
  return {
    requests,
    share: share(requests),
    not_examined: rest?.requests ?? 0,
    causes,
    note: MAY_BE_STRANGERS,
  };
}

/** Between 0 and 1, with four digits. The stored intervals of both numbers may differ at the edges of a window. */
function shareOf(requests: number, all: number): number {
  return all === 0 ? 0 : Math.min(1, Math.round((requests / all) * 10_000) / 10_000);
}
