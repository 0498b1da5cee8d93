import type { StoryEntryDto } from '../api/openapi.js';
import { extension } from '../app/installed.js';
import { Agent, Copy, Foreign, UserLink, When } from '../ui/bits.js';
import { Empty } from '../ui/notice.js';
import { number, plural, words } from '../ui/text.js';
import { duration } from '../ui/times.js';
import { Address } from './login-table.js';

/** Events in words. */
const EVENTS: Readonly<Record<string, string>> = {
  login: 'Logged in',
  refresh: 'Refreshed',
  refresh_reused: 'A spent refresh token was presented',
  logout: 'Logged out',
  revoke: 'Revoked',
  refusal: 'Refused',
};

const BAD = new Set(['refresh_reused', 'refusal']);

/** What happened to a login, oldest first. Refreshes in a row are one entry. */
export function Story({ entries }: { readonly entries: readonly StoryEntryDto[] }) {
  if (entries.length === 0) return <Empty title="The audit trail has no events of this login" />;
  return (
    <ol className="story">
      {entries.map((entry) => (
        <li
          key={`${entry.at} ${entry.event} ${entry.cause}`}
          className={BAD.has(entry.event) ? 'bad' : entry.event}
        >
          <p className="story-what">
            <strong>{titleOf(entry)}</strong>
            {entry.cause !== null && <span className="muted"> {words(entry.cause).toLowerCase()}</span>}
            {entry.actor !== null && (
              <>
                {' by '}
                <UserLink id={entry.actor.id} name={entry.actor.username} />
              </>
            )}
          </p>
          <p className="story-when">
            <When at={entry.at} exact />
            {entry.until !== entry.at && (
              <span className="muted"> for {duration(Date.parse(entry.until) - Date.parse(entry.at))}</span>
            )}
          </p>
          <p className="story-where">
            {entry.ip !== null && <Address ip={entry.ip} />}
            {entry.addresses > 1 && (
              <span className="muted"> and {plural(entry.addresses - 1, 'other')}</span>
            )}{' '}
            {entry.user_agent !== null && <Agent agent={entry.user_agent} />}
            {noteOf(entry) !== undefined && (
              <q>
                <Foreign text={noteOf(entry)!} />
              </q>
            )}
          </p>
          {entry.request_id !== null && (
            <p className="story-request">
              Request <Copy text={entry.request_id} label="the request id" short />
            </p>
          )}
        </li>
      ))}
    </ol>
  );
}

function titleOf({ event, count }: StoryEntryDto): string {
  const text = EVENTS[event] ?? extension.events[event] ?? words(event);
  return count > 1 ? `${text} ${number(count)} times` : text;
}

function noteOf({ detail }: StoryEntryDto): string | undefined {
  const note = detail?.['note'];
  return typeof note === 'string' ? note : undefined;
}
