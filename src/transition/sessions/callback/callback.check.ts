import { Inject, Optional } from '@nestjs/common';
import { DoctorCheck, fail, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { RemoteSessions } from '../stores/remote/remote-sessions.js';
import { CallbackFailure } from './callback-client.js';
import { CallbackSessions } from './callback-sessions.js';

const CHECK = 'session_callback';

const SHORT_SECRET = 32;

/** Checks that the product answers at SESSION_CALLBACK_URL. */
@DoctorCheck()
export class CallbackCheck implements Examination {
  constructor(
    @Optional() @Inject(RemoteSessions) private readonly remote: RemoteSessions | undefined,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    if (!(this.remote instanceof CallbackSessions)) return [];
    const isShort = (this.config.callback?.secret.length ?? 0) < SHORT_SECRET;
    const secret = warn(
      CHECK,
      `SESSION_CALLBACK_SECRET has fewer than ${SHORT_SECRET} characters`,
      'replace it in the product and here, for example with the output of openssl rand -base64 32',
    );
    return [await this.answer(this.remote), ...(isShort ? [secret] : [])];
  }

  private async answer(remote: CallbackSessions): Promise<Finding> {
    try {
      const status = await remote.statusWithoutCookie();
      if (status === 401)
        return ok(CHECK, 'the product answers, and names nobody for a request without a session');
      return fail(
        CHECK,
        `the product answers ${status} to a request without a session cookie`,
        'it has to answer 401; see docs/adopt/sessions.md',
      );
    } catch (error) {
      const code = error instanceof CallbackFailure ? error.code : 'UNKNOWN';
      return fail(
        CHECK,
        `the product does not answer at SESSION_CALLBACK_URL (${code})`,
        'requests by session get 503; check the URL, its certificate and the product',
      );
    }
  }
}
