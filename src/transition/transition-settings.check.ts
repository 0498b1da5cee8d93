import { Inject, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { CheckedOnNodes, DoctorCheck, ok, warn } from '../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../admin/cli/doctor/doctor-check.js';
import { BackgroundLoops } from '../common/background-loops.js';
import { sameSecret } from '../common/crypto/constant-time.js';
import { CONFIG } from '../config/config.js';
import { valueWarning } from '../config/config-warnings.js';
import type { TransitionConfig } from './transition.settings.js';

const SHORT_SECRET = 16;

/** Checks the settings of the transition, for the doctor and at the start of each node, which logs the warnings. */
@DoctorCheck()
@CheckedOnNodes()
export class TransitionSettingsCheck implements Examination, OnApplicationBootstrap {
  private readonly logger = new Logger(TransitionSettingsCheck.name);

  constructor(
    private readonly loops: BackgroundLoops,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.loops.enabled) return;
    for (const warning of settingsWarnings(this.config)) this.logger.warn(warning);
  }

  async examine(): Promise<Finding[]> {
    const { sessionSecret, sessionPreset, callback } = this.config;
    const length =
      sessionPreset === 'authjs' || callback !== undefined
        ? ok('session_secret', 'not needed: Tandem signs no session cookie')
        : sessionSecret.length < SHORT_SECRET
          ? warn(
              'session_secret',
              `SESSION_SECRET has fewer than ${SHORT_SECRET} characters`,
              'replace it once no live session is signed with it',
            )
          : ok('session_secret', 'long enough');
    const warnings = settingsWarnings(this.config);
    return [length, ...warnings.map((line) => warn('settings', line, 'see .env.example'))];
  }
}

/** Settings that are allowed but unwise: one line each, which names the variable and holds no secret. */
export function settingsWarnings(config: TransitionConfig): string[] {
  const { sessionSecret, sessionSecretsPrevious, smtpUrl, mailFrom } = config;
  const warnings = [valueWarning('SESSION_SECRET', sessionSecret)].filter((line) => line !== undefined);
  if (sessionSecretsPrevious.some((previous) => sameSecret(previous, sessionSecret)))
    warnings.push('SESSION_SECRET_PREVIOUS contains SESSION_SECRET: remove it there');
  if (smtpUrl !== undefined && mailFrom === undefined)
    warnings.push('MAIL_FROM is unset: mail comes from no-reply@localhost, which most mail servers refuse');
  return warnings;
}
