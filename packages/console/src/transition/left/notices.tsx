import { CALM_MS, usePages } from '../../api/queries.js';
import { Foreign, When } from '../../ui/bits.js';
import { List } from '../../ui/list.js';
import { Empty } from '../../ui/notice.js';
import { number } from '../../ui/text.js';

/** The notices by mail, newest first. */
export function Notices() {
  const pages = usePages('GET /admin/deprecation-notices', { query: { limit: 10 }, every: CALM_MS });
  const rows = pages.data?.pages.flatMap(({ notices }) => notices) ?? [];
  return (
    <section aria-labelledby="notices">
      <h2 id="notices">Notices sent</h2>
      <List
        pages={pages}
        rows={rows}
        empty={
          <Empty title="No notice has been sent">
            <p>
              <code>POST /admin/deprecation-notices</code> sends one to everybody who still uses a session.
            </p>
          </Empty>
        }
      >
        {(shown) => (
          <div className="table-box">
            <table className="rows">
              <caption className="visually-hidden">Notices, newest first</caption>
              <thead>
                <tr>
                  <th scope="col">Subject</th>
                  <th scope="col">Sent</th>
                  <th scope="col" className="number">
                    Mails
                  </th>
                  <th scope="col" className="number">
                    Pending
                  </th>
                  <th scope="col" className="number">
                    Accepted
                  </th>
                  <th scope="col" className="number">
                    Refused
                  </th>
                </tr>
              </thead>
              <tbody>
                {shown.map((notice) => (
                  <tr key={notice.id}>
                    <td className="grow">
                      <Foreign text={notice.subject} />
                    </td>
                    <td className="nowrap">
                      <When at={notice.created_at} />
                    </td>
                    <td className="number">
                      {number(notice.queued)} <span className="phone-only">mails</span>
                    </td>
                    <td className="number phone-hidden">{number(notice.pending)}</td>
                    <td className="number phone-hidden">{number(notice.sent)}</td>
                    <td className="number phone-hidden">{number(notice.failed)}</td>
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
