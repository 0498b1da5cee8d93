import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { Clock } from '../../common/clock.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { isCheckedOnNodes, runCheck } from '../cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../cli/doctor/doctor-check.js';
import { settingsChecks } from '../cli/doctor/settings.checks.js';

/** How long findings are reused. */
const REUSE_MS = 30_000;

/** What a node has found about itself. */
export interface Diagnosis {
  readonly checked_at: Date;
  /** Whether no check has failed. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

/** Makes the doctor's checks that are safe on a node: at most once in 30 seconds, however many ask. */
@Injectable()
export class DoctorService {
  private last: { readonly at: number; readonly diagnosis: Promise<Diagnosis> } | undefined;

  constructor(
    private readonly providers: DiscoveryService,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The findings of this node, at most 30 seconds old. Takes at most ten seconds per check. */
  diagnose(): Promise<Diagnosis> {
    const now = this.clock.monotonic();
    if (this.last === undefined || now - this.last.at >= REUSE_MS)
      this.last = { at: now, diagnosis: this.examine() };
    return this.last.diagnosis;
  }

  private async examine(): Promise<Diagnosis> {
    const checks = this.providers
      .getProviders()
      .filter(
        ({ metatype, instance }) => typeof metatype === 'function' && isCheckedOnNodes(metatype) && instance,
      );
    const found = [await settingsChecks(this.config)];
    for (const { name, instance } of checks) {
      const check = instance as Examination;
      found.push(await runCheck(String(name), 'read the log of this node', () => check.examine()));
    }
    const findings = found.flat();
    return {
      checked_at: new Date(this.clock.now()),
      ok: findings.every(({ level }) => level !== 'fail'),
      findings,
    };
  }
}
