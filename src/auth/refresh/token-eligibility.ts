import type { Role } from '../../users/user.entity.js';

export interface EligibilitySubject {
  readonly id: string;
  readonly role: Role;
}

/** Decides which users may have tokens under the rollout. Without it, every user may. */
export interface TokenEligibility {
  /** Whether the user may open a token family now. */
  isEligible(user: EligibilitySubject): Promise<boolean> | boolean;
  /** False while every existing family may rotate, so that {@link mayContinue} need not be called for each refresh. */
  restrictsExistingFamilies(): boolean;
  /** Whether an existing family of the user may rotate. */
  mayContinue(user: EligibilitySubject): Promise<boolean> | boolean;
}

/** Injection token of the one {@link TokenEligibility}; optional. */
export const TOKEN_ELIGIBILITY = Symbol('TOKEN_ELIGIBILITY');
