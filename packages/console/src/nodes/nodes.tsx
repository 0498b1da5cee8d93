import type { NodeDto } from '../api/openapi.js';
import { CALM_MS, useRead } from '../api/queries.js';
import { Badge, Foreign, When } from '../ui/bits.js';
import type { Tone } from '../ui/bits.js';
import { Loading, ReadError } from '../ui/notice.js';
import { plural, words } from '../ui/text.js';
import { STALE_AFTER_MS, milliseconds } from './node-figures.js';

const STATES: Readonly<Record<NodeDto['state'], readonly [Tone, string, string]>> = {
  ready: ['good', 'Ready', 'It serves requests'],
  not_ready: ['warn', 'Not ready', 'Load balancers send it no requests'],
  silent: [
    'bad',
    'Silent',
    'It has not reported for 15 seconds: it was killed, or it does not reach the database',
  ],
};

/** Every node and worker, as it last reported. */
export function Nodes() {
  const read = useRead('GET /admin/nodes', { every: CALM_MS });
  const nodes = read.data?.nodes;
  const versions = new Set(nodes?.map(({ version }) => version));
  return (
    <section aria-labelledby="nodes">
      <h2 id="nodes">Nodes</h2>
      <ReadError read={read} />
      {versions.size > 1 && (
        <p className="hint">
          The nodes run {plural(versions.size, 'version')}. That is normal during an upgrade only.
        </p>
      )}
      {nodes === undefined ? read.error === null && <Loading rows={2} /> : <NodeTable nodes={nodes} />}
    </section>
  );
}

function NodeTable({ nodes }: { readonly nodes: readonly NodeDto[] }) {
  return (
    <div className="table-box">
      <table className="rows">
        <caption className="visually-hidden">Nodes and workers, by host</caption>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">State</th>
            <th scope="col" className="number">
              Knowledge of revocations
            </th>
            <th scope="col" className="number">
              Propagation p50
            </th>
            <th scope="col" className="number">
              p99
            </th>
            <th scope="col">Version</th>
            <th scope="col">Started</th>
            <th scope="col">Last report</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <NodeRow key={node.id} node={node} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NodeRow({ node }: { readonly node: NodeDto }) {
  const { host, worker, workers, state, failing, propagation, knowledge_age_ms: age } = node;
  const [tone, name, hint] = STATES[state];
  const measured =
    propagation.samples === 0
      ? 'No revocation has reached it within the last 15 minutes'
      : `${plural(propagation.samples, 'sample')} within the last 15 minutes`;
  return (
    <tr className={state === 'silent' ? 'ended' : ''}>
      <td>
        <Foreign text={host} />
        {worker !== null && (
          <span className="muted">
            {' '}
            worker {worker} of {workers}
          </span>
        )}
        {node.current && <span className="muted"> (answers you)</span>}
      </td>
      <td>
        <Badge tone={tone} title={hint}>
          {name}
        </Badge>
        {failing.length > 0 && <span className="muted"> {failing.map(words).join(', ')}</span>}
      </td>
      <td className="number nowrap">
        {age === null ? <span className="muted">–</span> : <Age age={age} />}{' '}
        <span className="phone-only">old</span>
      </td>
      <td className="number nowrap phone-hidden" title={measured}>
        {milliseconds(propagation.p50_ms)}
      </td>
      <td className="number nowrap phone-hidden" title={measured}>
        {milliseconds(propagation.p99_ms)}
      </td>
      <td className="nowrap phone-hidden">
        <Foreign text={node.version} />
      </td>
      <td className="nowrap phone-hidden">
        <When at={node.started_at} />
      </td>
      <td className="nowrap">
        <When at={node.seen_at} />
      </td>
    </tr>
  );
}

function Age({ age }: { readonly age: number }) {
  if (age < STALE_AFTER_MS) return <>{milliseconds(age)}</>;
  return (
    <Badge tone="bad" title="It accepts no token until it has asked the database again">
      {milliseconds(age)}
    </Badge>
  );
}
