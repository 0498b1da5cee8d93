import type { Role } from '../../users/user.entity.js';

/** Of whom it is asked. */
export interface EligibilitySubject {
  readonly id: string;
  readonly role: Role;
}

/** Whom tokens are given to. Without one everybody gets them. */
export interface TokenEligibility {
  /** Whether the user may begin a login by tokens now. */
  isEligible(user: EligibilitySubject): Promise<boolean> | boolean;
  /** False while every login by tokens that has begun may go on: then it need not be asked of each. */
  restrictsExistingFamilies(): boolean;
  /** Whether a login by tokens that has begun may go on. */
  mayContinue(user: EligibilitySubject): Promise<boolean> | boolean;
}

/** Injection token of the one {@link TokenEligibility}; optional. */
export const TOKEN_ELIGIBILITY = Symbol('TOKEN_ELIGIBILITY');
