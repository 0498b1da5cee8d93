import { Inject, Optional } from '@nestjs/common';
import { DoctorCheck, fail, messageOf, ok, warn } from '../../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../../admin/cli/doctor/doctor-check.js';
import { CONFIG } from '../../../../config/config.js';
import type { TransitionConfig } from '../../../transition.settings.js';
import { RemoteSessions } from '../remote/remote-sessions.js';
import { isExpressSession } from './redis-session.codec.js';
import { RedisSessions } from './redis-sessions.js';

const CHECK = 'redis_sessions';

/** How many sessions are read. */
const SAMPLE = 200;

const WANTED_POLICY = 'noeviction';

/** Checks that Redis holds the product's sessions, in a form that Tandem reads, and that it does not evict them. */
@DoctorCheck()
export class RedisSessionsCheck implements Examination {
  constructor(
    @Optional() @Inject(RemoteSessions) private readonly remote: RemoteSessions | undefined,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    if (!(this.remote instanceof RedisSessions)) return [];
    try {
      const policy = await this.remote.evictionPolicy();
      return [...evictions(policy), this.contents(await this.remote.sample(SAMPLE))];
    } catch (error) {
      return [
        fail(
          CHECK,
          `Redis cannot be read: ${messageOf(error)}`,
          'sessions answer 503; check REDIS_URL and the rights of its user',
        ),
      ];
    }
  }

  private contents(texts: readonly string[]): Finding {
    const prefix = `SESSION_REDIS_PREFIX (${this.config.redis!.prefix})`;
    if (texts.length === 0)
      return warn(
        CHECK,
        `no key in Redis begins with ${prefix}`,
        'copy the option prefix of connect-redis, and the database number into REDIS_URL',
      );
    const readable = texts.filter(isExpressSession).length;
    const all = `${readable} of ${texts.length} values at ${prefix} are sessions of express-session in JSON`;
    if (readable === texts.length) return ok(CHECK, all);
    const advice =
      'the others are refused; connect-redis must use its default serializer, without compression or encryption';
    return (readable === 0 ? fail : warn)(CHECK, all, advice);
  }
}

function evictions(policy: string | undefined): Finding[] {
  if (policy === WANTED_POLICY) return [ok(CHECK, `the eviction policy is ${WANTED_POLICY}`)];
  return [
    warn(
      CHECK,
      `the eviction policy of Redis is ${policy ?? 'unknown'}: an evicted session counts as one that was ended`,
      `set maxmemory-policy to ${WANTED_POLICY}`,
    ),
  ];
}
