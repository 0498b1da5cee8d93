import type { DoctorFindingDto } from '../api/openapi.js';
import { CALM_MS, useRead } from '../api/queries.js';
import { Badge, When } from '../ui/bits.js';
import { Loading, ReadError } from '../ui/notice.js';
import { plural, visible, words } from '../ui/text.js';

/** What the doctor finds on the node that answers. Problems are shown, the rest can be opened. */
export function Doctor() {
  const read = useRead('GET /admin/doctor', { every: 6 * CALM_MS });
  return (
    <section aria-labelledby="doctor">
      <h2 id="doctor">Doctor</h2>
      <ReadError read={read} />
      {read.data === undefined ? (
        read.error === null && <Loading rows={2} />
      ) : (
        <>
          <p className="hint">
            Checked <When at={read.data.checked_at} />. <code>npm run admin -- doctor</code> checks the
            database server, the proxy and the product as well.
          </p>
          <Findings findings={read.data.findings} />
        </>
      )}
    </section>
  );
}

function Findings({ findings }: { readonly findings: readonly DoctorFindingDto[] }) {
  const problems = findings.filter(({ level }) => level !== 'ok').toSorted(worstFirst);
  const fine = findings.filter(({ level }) => level === 'ok');
  return (
    <div className="stack">
      {problems.length === 0 && (
        <p>
          <Badge tone="good">Healthy</Badge> No check has found a problem.
        </p>
      )}
      {problems.map((finding) => (
        <div
          key={`${finding.check} ${finding.message}`}
          className={finding.level === 'fail' ? 'notice error' : 'notice warn'}
        >
          <p className="notice-title">
            {words(finding.check)}: {visible(finding.message)}
          </p>
          {finding.advice !== null && <p>{visible(finding.advice)}</p>}
        </div>
      ))}
      {fine.length > 0 && (
        <details>
          <summary>{plural(fine.length, 'check')} passed</summary>
          <ul className="plain">
            {fine.map(({ check, message }) => (
              <li key={`${check} ${message}`}>
                {words(check)}: <span className="muted">{visible(message)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

function worstFirst(one: DoctorFindingDto, other: DoctorFindingDto): number {
  return Number(other.level === 'fail') - Number(one.level === 'fail');
}
