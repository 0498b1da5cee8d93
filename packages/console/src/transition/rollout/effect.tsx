import { useRead } from '../../api/queries.js';
import type { RolloutPatchDto } from '../../api/openapi.js';
import { useEffect, useState } from 'react';
import { number } from '../../ui/text.js';

/** Who is affected by a change that has not been made yet. */
export function Effect({ patch }: { readonly patch: RolloutPatchDto }) {
  const settled = useSettled(patch);
  const preview = useRead('POST /admin/rollout/preview', { body: settled });
  const waiting = JSON.stringify(settled) !== JSON.stringify(patch);
  if (!waiting && preview.error !== null)
    return <p className="field-error">{preview.error.fields[0]?.message ?? preview.error.message}</p>;
  if (waiting || preview.data === undefined) return <p className="muted">Counting who is affected …</p>;
  const { gain, lose, on_tokens_stay: stay } = preview.data;
  const parts = [
    gain > 0 && `moves ${users(gain)} to tokens`,
    lose > 0 && `makes ${users(lose)} no longer eligible for tokens`,
  ].filter(Boolean);
  return (
    <p className="effect" role="status">
      {parts.length === 0 ? 'Changes nobody’s eligibility' : `This ${parts.join(' and ')}`}; {number(stay)} on
      tokens stay.
    </p>
  );
}

function users(count: number): string {
  return `${number(count)} ${count === 1 ? 'user' : 'users'}`;
}

const PAUSE_MS = 400;

/** The change once its author has paused: to count who is affected takes seconds if there are many users. */
function useSettled(patch: RolloutPatchDto): RolloutPatchDto {
  const [settled, setSettled] = useState(patch);
  const key = JSON.stringify(patch);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(JSON.parse(key) as RolloutPatchDto), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [key]);
  return settled;
}
