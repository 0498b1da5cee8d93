import { Injectable } from '@nestjs/common';
import type { Role } from '../../common/role.js';

export interface EligibilitySubject {
  readonly id: string;
  readonly role: Role;
}

/** The rule that decides who is eligible for tokens. */
export interface TokenEligibility {
  /** Whether a login of the user may open a token family now. */
  isEligible(user: EligibilitySubject): Promise<boolean> | boolean;
  /** False while every existing family may rotate, so that {@link mayContinue} need not be called for each refresh. */
  restrictsExistingFamilies(): boolean;
  /** Whether an existing family of the user may rotate. */
  mayContinue(user: EligibilitySubject): Promise<boolean> | boolean;
}

const EVERYBODY: TokenEligibility = {
  isEligible: () => true,
  restrictsExistingFamilies: () => false,
  mayContinue: () => true,
};

/** The current rule: everybody is eligible for tokens, unless the composition module has passed another rule. */
@Injectable()
export class TokenEligibilityService implements TokenEligibility {
  private rule = EVERYBODY;

  /** Replaces the rule. Called before the service starts. */
  use(rule: TokenEligibility): void {
    this.rule = rule;
  }

  isEligible(user: EligibilitySubject): Promise<boolean> | boolean {
    return this.rule.isEligible(user);
  }

  restrictsExistingFamilies(): boolean {
    return this.rule.restrictsExistingFamilies();
  }

  mayContinue(user: EligibilitySubject): Promise<boolean> | boolean {
    return this.rule.mayContinue(user);
  }
}
