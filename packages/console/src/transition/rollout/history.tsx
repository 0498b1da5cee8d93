import { CALM_MS, usePages } from '../../api/queries.js';
import { Foreign, UserLink, When } from '../../ui/bits.js';
import { List, NothingFound } from '../../ui/list.js';
import { words } from '../../ui/text.js';
import { actorOf, changesIn, placeOf } from './words.js';

/** Who changed what, newest first. */
export function History() {
  const pages = usePages('GET /admin/rollout/history', { query: { limit: 10 }, every: CALM_MS });
  const rows = pages.data?.pages.flatMap(({ events }) => events) ?? [];
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <List pages={pages} rows={rows} empty={<NothingFound filtered={false} what="changes" />}>
        {(shown) => (
          <div className="table-box">
            <table className="rows">
              <caption className="visually-hidden">Changes of the rollout, newest first</caption>
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">By</th>
                  <th scope="col">Change</th>
                  <th scope="col">State since then</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((event) => (
                  <tr key={event.version}>
                    <td className="nowrap">
                      <When at={event.at} />
                    </td>
                    <td>
                      {event.actor_id === null ? (
                        <Foreign text={actorOf(event)} />
                      ) : (
                        <UserLink id={event.actor_id} name={event.actor} />
                      )}
                    </td>
                    <td>
                      {event.cause === 'created'
                        ? 'Begun'
                        : `${event.cause === 'changed' ? '' : `${words(event.cause)}: `}${changesIn(event.changes)}`}
                    </td>
                    <td className="muted nowrap phone-hidden">{placeOf(event.state)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </List>
    </section>
  );
}
