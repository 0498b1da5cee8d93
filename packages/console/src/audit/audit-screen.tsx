import { useAction } from '../api/actions.js';
import { send } from '../api/call.js';
import type { AuditEventDto } from '../api/openapi.js';
import { CALM_MS, usePages } from '../api/queries.js';
import { linkTo } from '../app/place.js';
import { goTo } from '../app/router.js';
import { Agent, Copy, Foreign, When } from '../ui/bits.js';
import { FilterBar } from '../ui/filters.js';
import { knownFilters } from '../ui/filter-field.js';
import type { Filters } from '../ui/filter-field.js';
import { List, NothingFound } from '../ui/list.js';
import { ErrorNotice } from '../ui/notice.js';
import { ScreenFrame } from '../ui/screen.js';
import { number, shortId, words } from '../ui/text.js';
import { ALL_FIELDS, FIELDS, MORE_FIELDS } from './audit-fields.js';
import { detailOf } from './detail.js';
import { Seals } from './seals.js';

/** The audit trail with filters in the address, its seals, and the export. */
export function AuditScreen({ filters: given }: { readonly filters: Filters }) {
  const filters = knownFilters(given, ALL_FIELDS);
  const pages = usePages('GET /admin/audit', { query: filters as never, every: CALM_MS });
  const rows = pages.data?.pages.flatMap(({ events }) => events) ?? [];
  const filtered = Object.keys(filters).length > 0;
  const download = useAction(async () => {
    const response = await send('GET /admin/audit/export', {
      query: filters as never,
      accept: 'application/x-ndjson',
    });
    save(await response.blob(), 'audit.ndjson');
  });
  return (
    <ScreenFrame
      title="Audit"
      actions={
        <button type="button" aria-disabled={download.running} onClick={download.run}>
          {download.running ? 'Exporting …' : 'Export'}
        </button>
      }
    >
      <Seals />
      {download.error !== undefined && <ErrorNotice error={download.error} />}
      <FilterBar path={['audit']} filters={filters} fields={FIELDS} more={MORE_FIELDS} />
      <List
        pages={pages}
        rows={rows}
        empty={<NothingFound filtered={filtered} what="events" />}
        onClearFilters={filtered ? () => goTo(linkTo(['audit'])) : undefined}
      >
        {(shown) => <EventTable events={shown} />}
      </List>
    </ScreenFrame>
  );
}

function EventTable({ events }: { readonly events: readonly AuditEventDto[] }) {
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">Security events, newest first</caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Event</th>
            <th scope="col">Who</th>
            <th scope="col">By</th>
            <th scope="col">From</th>
            <th scope="col">Details</th>
            <th scope="col">Request</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.id}>
              <td className="nowrap">
                <When at={event.at} />
              </td>
              <td>
                <strong>{words(event.event)}</strong>
                {event.count > 1 && <> {number(event.count)} times</>}
                {event.cause !== null && <span className="muted"> {event.cause.replaceAll('_', ' ')}</span>}
              </td>
              <td>
                <Subject event={event} />
              </td>
              <td>
                {event.actor_id === null ? <span className="muted">–</span> : <UserId id={event.actor_id} />}
              </td>
              <td className="grow">
                <span className="from">
                  {event.ip !== null && <code>{event.ip}</code>}
                  {event.user_agent !== null && <Agent agent={event.user_agent} />}
                </span>
              </td>
              <td className="grow phone-hidden">
                {event.detail !== null && <Foreign text={detailOf(event.detail)} />}
              </td>
              <td className="phone-hidden">
                {event.request_id !== null && <Copy text={event.request_id} label="the request id" short />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Whom an event is about, as links to the user and to the login. */
function Subject({ event }: { readonly event: AuditEventDto }) {
  if (event.user_id === null && event.sid === null) return <span className="muted">–</span>;
  return (
    <>
      {event.user_id !== null && <UserId id={event.user_id} />}
      {event.sid !== null && (
        <>
          {' '}
          <a className="quiet-link" href={linkTo(['logins', event.sid])}>
            login
          </a>
        </>
      )}
    </>
  );
}

function UserId({ id }: { readonly id: string }) {
  return (
    <a href={linkTo(['users', id])} title={id}>
      <code>{shortId(id)}</code>
    </a>
  );
}

function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
