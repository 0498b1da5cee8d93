import type { ApiError } from '../../api/api-error.js';
import { Foreign, When } from '../../ui/bits.js';
import { ErrorNotice } from '../../ui/notice.js';
import { changesIn } from './words.js';

interface Changed {
  readonly version: number;
  readonly at: string;
  readonly actor: string | null;
  readonly cause: string;
  /** The version of the rollout; a conflict about the plan has none. */
  readonly changes?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface Props {
  readonly error: ApiError | undefined;
  /** Bases the form on the current state. */
  readonly onContinue: () => void;
}

/** A refused change. If somebody else was faster, it says who changed what, and when. */
export function Conflict({ error, onContinue }: Props) {
  if (error === undefined) return null;
  const changed = error.problem['changed'] as Changed | undefined;
  if (error.code !== 'stale_version') return <ErrorNotice error={error} />;
  return (
    <ErrorNotice error={error}>
      {changed != null && (
        <p>
          <Foreign text={changed.actor ?? 'The plan'} /> changed it <When at={changed.at} />
          {changed.changes !== undefined && (
            <>
              : <strong>{changesIn(changed.changes)}</strong>
            </>
          )}
          .
        </p>
      )}
      <p>Your values are still here. Look at them again before you change the current state.</p>
      <button type="button" onClick={onContinue}>
        Use my values for the new state
      </button>
    </ErrorNotice>
  );
}
