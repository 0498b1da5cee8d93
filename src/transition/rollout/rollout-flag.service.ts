import { randomUUID } from 'node:crypto';
import { Inject, Injectable, Logger, Optional } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { NOOP_PROVIDER, OpenFeature } from '@openfeature/server-sdk';
import type { Provider } from '@openfeature/server-sdk';
import type { EligibilitySubject } from '../../auth/refresh/token-eligibility.service.js';
import { within } from '../../common/within.js';
import { StateFlagProvider, TOKENS_FLAG } from './state-flag.provider.js';
import type { Phase, RolloutSettings } from './rollout-state.js';

/**
 * Injection token of a team's own OpenFeature provider. It is optional, and decides who is eligible for tokens in the phases
 * `internal_beta` and `gradual_rollout`. See docs/transition/rollout.md.
 */
export const FLAG_PROVIDER = Symbol('FLAG_PROVIDER');

/** How long the start waits for a provider, and a request for its answer. */
const START_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 1_000;

/** Evaluates the flag of the rollout through OpenFeature. */
@Injectable()
export class RolloutFlagService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RolloutFlagService.name);
  /** OpenFeature is global in a process, so each application in it uses a domain of its own. */
  private readonly domain = `tandem-${randomUUID()}`;
  private readonly client = OpenFeature.getClient(this.domain);
  private readonly ours = new StateFlagProvider();

  constructor(@Optional() @Inject(FLAG_PROVIDER) private readonly theirs?: Provider) {}

  /** The service starts without waiting longer for a provider. The flag has no answer until the provider is ready. */
  async onModuleInit(): Promise<void> {
    const ready = OpenFeature.setProviderAndWait(this.domain, this.theirs ?? this.ours).then(
      () => true,
      (error: unknown) => this.logger.error({ err: error }, 'failed to initialise the flag provider'),
    );
    if ((await within(START_TIMEOUT_MS, ready, nothing)) === undefined)
      this.logger.warn('the flag provider is not ready');
  }

  /** Lets a provider close its resources. */
  async onApplicationShutdown(): Promise<void> {
    await within(ANSWER_TIMEOUT_MS, OpenFeature.setProviderAndWait(this.domain, NOOP_PROVIDER), nothing);
  }

  /** Whether the state of the rollout decides, and no provider of the team. */
  get isOurs(): boolean {
    return this.theirs === undefined;
  }

  use(settings: RolloutSettings): void {
    this.ours.use(settings);
  }

  /** Whether the flag is on for a user; undefined if the provider has no answer within a second. */
  async isOn({ id, role }: EligibilitySubject, phase: Phase): Promise<boolean | undefined> {
    const asked = this.client.getBooleanDetails(TOKENS_FLAG, false, { targetingKey: id, role, phase });
    const details = await (this.theirs === undefined ? asked : within(ANSWER_TIMEOUT_MS, asked, nothing));
    return details === undefined || details.errorCode !== undefined ? undefined : details.value;
  }
}

/** The result of a provider that takes too long. */
function nothing(): undefined {}
