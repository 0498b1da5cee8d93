import type { PlanViewDto, RolloutDto } from '../../api/openapi.js';
import { PHASES } from './words.js';

interface Props {
  readonly rollout: RolloutDto;
  readonly plan: PlanViewDto;
}

/** The phases from sessions to tokens, with the steps of the plan, and "you are here". */
export function Track({ rollout, plan }: Props) {
  const here = PHASES.findIndex(([phase]) => phase === rollout.phase);
  return (
    <ol className="track" aria-label="Phases of the rollout">
      {PHASES.map(([phase, name], index) => (
        <li
          key={phase}
          className={index < here ? 'done' : index === here ? 'here' : ''}
          aria-current={index === here ? 'step' : undefined}
        >
          <span className="track-name">{name}</span>
          {index === here && <span className="track-here">You are here</span>}
          {phase === 'gradual_rollout' && <Steps rollout={rollout} plan={plan} />}
        </li>
      ))}
    </ol>
  );
}

function Steps({ rollout: { phase, percentage }, plan: { steps } }: Props) {
  const shares = steps.map((step) => step.percentage);
  const inForce = phase === 'gradual_rollout' ? percentage : undefined;
  // A percentage that was set by hand is a step too.
  const shown = [...new Set(inForce === undefined ? shares : [...shares, inForce])].toSorted((a, b) => a - b);
  if (shown.length === 0) return null;
  const past = phase === 'deprecation_notice' || phase === 'sessions_removed';
  return (
    <ol className="track-steps" aria-label="Percentages">
      {shown.map((share) => (
        <li
          key={share}
          className={
            past || (inForce !== undefined && share < inForce) ? 'done' : share === inForce ? 'here' : ''
          }
          aria-current={share === inForce ? 'step' : undefined}
        >
          {share} %
        </li>
      ))}
    </ol>
  );
}
