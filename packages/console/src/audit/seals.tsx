import { CALM_MS, useRead } from '../api/queries.js';
import { Badge, Copy, Fact, Facts, When } from '../ui/bits.js';
import { ErrorNotice } from '../ui/notice.js';
import { number, plural } from '../ui/text.js';

/** Whether the trail is sealed and unchanged. */
export function Seals() {
  const { data, error, refetch } = useRead('GET /admin/audit/seals', { every: 2 * CALM_MS });
  if (data === undefined)
    return error === null ? null : <ErrorNotice error={error} onRetry={() => void refetch()} />;
  const { head } = data;
  return (
    <>
      <Facts>
        <Fact name="Chain of seals">
          {data.intact ? <Badge tone="good">Intact</Badge> : <Badge tone="bad">Changed</Badge>}{' '}
          <span className="muted">
            checked <When at={data.checked_at} />
          </span>
        </Fact>
        <Fact name="Sealed">
          {plural(data.sealed_events, 'event')}
          {head !== null && (
            <span className="muted">
              , last <When at={head.sealed_at} />
            </span>
          )}
        </Fact>
        <Fact name="Not sealed yet">{number(data.unsealed)}</Fact>
        <Fact name="Last verified head">
          {head === null ? '–' : <Copy text={head.hash} label="the hash of the head" short />}
        </Fact>
      </Facts>
      {data.findings.map(({ kind, message }) => (
        <div key={`${kind} ${message}`} className="notice error">
          <p>{message}</p>
        </div>
      ))}
    </>
  );
}
