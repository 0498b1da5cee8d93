import type { PlanDto, PlanViewDto } from '../../api/openapi.js';

/** A plan while it is edited: texts, in the units that people use. */
export interface Draft {
  readonly steps: readonly { readonly key: string; readonly percentage: string; readonly hours: string }[];
  readonly minRequests: string;
  readonly tolerance: string;
  readonly maxFalseAlarm: string;
  readonly drain: boolean;
  readonly enabled: boolean;
}

const HOUR = 3_600;

export function draftOf(plan: PlanViewDto): Draft {
  return {
    steps: plan.steps.map(({ percentage, soak_seconds: soak }, index) => ({
      key: `step-${index}`,
      percentage: String(percentage),
      hours: short(soak / HOUR),
    })),
    minRequests: String(plan.min_requests),
    tolerance: short(plan.tolerance * 100),
    maxFalseAlarm: short(plan.max_false_alarm * 100),
    drain: plan.drain_on_rollback,
    enabled: plan.enabled,
  };
}

/** The plan to send. What is no number is left to the service to refuse. */
export function bodyOf(draft: Draft): PlanDto {
  return {
    enabled: draft.enabled,
    steps: draft.steps.map(({ percentage, hours }) => ({
      percentage: Number(percentage),
      soak_seconds: Math.round(Number(hours) * HOUR),
    })),
    min_requests: Number(draft.minRequests),
    tolerance: Number(short(Number(draft.tolerance) / 100)),
    max_false_alarm: Number(short(Number(draft.maxFalseAlarm) / 100)),
    drain_on_rollback: draft.drain,
  };
}

/** Formats a number without the noise of binary fractions. */
function short(value: number): string {
  return String(Number(value.toPrecision(12)));
}
