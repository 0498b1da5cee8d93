import { randomUUID } from 'node:crypto';
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { OpenFeature } from '@openfeature/server-sdk';
import type { Provider } from '@openfeature/server-sdk';
import type { EligibilitySubject } from '../../auth/token-eligibility.js';
import { TOKENS_FLAG } from './flag-definition.js';
import { StateFlagProvider } from './flag-provider.js';
import type { Phase, RolloutSettings } from './rollout-state.js';

/**
 * Injection token of a team's own OpenFeature provider, which then says who may have tokens in the phases `internal_beta` and
 * `gradual_rollout`; optional. See docs/rollout.md.
 */
export const FLAG_PROVIDER = Symbol('FLAG_PROVIDER');

/** The flag behind the rollout, asked through OpenFeature. */
@Injectable()
export class RolloutFlag implements OnModuleInit {
  /** OpenFeature is one for each process: each application in it has a domain of its own. */
  private readonly domain = `tandem-${randomUUID()}`;
  private readonly client = OpenFeature.getClient(this.domain);
  private readonly ours = new StateFlagProvider();

  constructor(@Optional() @Inject(FLAG_PROVIDER) private readonly theirs?: Provider) {}

  /** A provider that cannot be initialised does not stop the start: the flag has no answer until it can. */
  async onModuleInit(): Promise<void> {
    await OpenFeature.setProviderAndWait(this.domain, this.theirs ?? this.ours).catch(() => undefined);
  }

  use(settings: RolloutSettings): void {
    this.ours.use(settings);
  }

  /** Undefined if the provider has no answer. */
  async isOn({ id, role }: EligibilitySubject, phase: Phase): Promise<boolean | undefined> {
    const { value, errorCode } = await this.client.getBooleanDetails(TOKENS_FLAG, false, {
      targetingKey: id,
      role,
      phase,
    });
    return errorCode === undefined ? value : undefined;
  }
}
