import type { UseQueryResult } from '@tanstack/react-query';
import type { ApiError } from '../../api/api-error.js';
import type { ComparedFigureDto, ComparisonDto } from '../../api/openapi.js';
import type { Tone } from '../../ui/bits.js';
import { Loading, ReadError } from '../../ui/notice.js';
import { number, words } from '../../ui/text.js';
import { FigureChart } from './figure-chart.js';
import { FIGURES, differenceOf, intervalOf, valueOf } from './figures.js';
import type { FigureName } from './figures.js';

const HEALTH: Readonly<Record<ComparisonDto['health'], readonly [Tone, string] | undefined>> = {
  healthy: ['good', 'Healthy'],
  waiting_for_data: ['info', 'Waiting for data'],
  holding: ['warn', 'Holding'],
  failing: ['bad', 'Failing'],
  rolled_back: ['warn', 'Rolled back'],
  released: ['good', 'Released'],
  off: ['calm', 'Off'],
};

/** The state of the rollout in a word. */
export function healthBadge(comparison: ComparisonDto | undefined): readonly [Tone, string] | undefined {
  if (comparison === undefined) return undefined;
  const { health, waiting } = comparison;
  if (health === 'waiting_for_data' && waiting !== null)
    return ['info', `Waiting for data: ${number(waiting.have)} of ${number(waiting.need)}`];
  return HEALTH[health];
}

/** Tokens compared with sessions: one tile for each figure. */
export function Comparison({ read }: { readonly read: UseQueryResult<ComparisonDto, ApiError> }) {
  return (
    <section aria-labelledby="comparison">
      <h2 id="comparison">Tokens compared with sessions</h2>
      <ReadError read={read} />
      {read.data === undefined ? (
        read.error === null && <Loading rows={4} />
      ) : (
        <Tiles comparison={read.data} />
      )}
    </section>
  );
}

function Tiles({ comparison }: { readonly comparison: ComparisonDto }) {
  const { figures, buckets, logouts_by_cause: causes } = comparison;
  return (
    <>
      <div className="tiles">
        {figures.map((figure) => (
          <Tile key={figure.figure} figure={figure} buckets={buckets} />
        ))}
      </div>
      <Causes causes={causes} />
    </>
  );
}

function Tile({
  figure,
  buckets,
}: {
  readonly figure: ComparedFigureDto;
  readonly buckets: ComparisonDto['buckets'];
}) {
  const name = figure.figure as FigureName;
  const { label, hint } = FIGURES[name];
  const difference = differenceOf(figure);
  return (
    <article className={figure.worse ? 'tile worse' : 'tile'}>
      <h3 title={hint}>{label}</h3>
      <dl className="pair">
        <div className="tokens">
          <dt>Tokens</dt>
          <dd>{valueOf(name, figure.tokens)}</dd>
        </div>
        <div className="sessions">
          <dt>Sessions</dt>
          <dd>{valueOf(name, figure.sessions)}</dd>
        </div>
      </dl>
      <p className="difference">
        {figure.worse ? <strong>Worse with tokens: {difference}</strong> : difference}
        <span className="muted"> {intervalOf(figure)}</span>
      </p>
      <FigureChart name={name} buckets={buckets} tolerance={figure.tolerance} />
    </article>
  );
}

function Causes({ causes }: { readonly causes: ComparisonDto['logouts_by_cause'] }) {
  const names = [...new Set([...Object.keys(causes.tokens), ...Object.keys(causes.sessions)])].toSorted();
  if (names.length === 0) return null;
  return (
    <div className="table-box">
      <table>
        <caption className="visually-hidden">Unexpected logouts by cause</caption>
        <thead>
          <tr>
            <th scope="col">Unexpected logouts by cause</th>
            <th scope="col" className="number">
              Tokens
            </th>
            <th scope="col" className="number">
              Sessions
            </th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <td>{words(name)}</td>
              <td className="number">{number(causes.tokens[name] ?? 0)}</td>
              <td className="number">{number(causes.sessions[name] ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
