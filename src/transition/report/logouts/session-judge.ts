import { createHash } from 'node:crypto';
import type { Judgement, LogoutCause } from './causes.js';
import type { SessionEvidence } from './session-evidence.store.js';

/** A session whose cookie was refused. */
export interface SessionCase {
  readonly sid: string;
  /** Whether this node's secret signed the cookie. */
  readonly signed: boolean;
  /** Of a session that lives. One without a row was ended by whoever deleted it, or has expired. */
  readonly session: SessionEvidence | undefined;
}

/**
 * Whether refusing it cut a login off. A cookie with a wrong signature is taken for ours if its session lives: ids cannot be guessed,
 * so whoever has one has its cookie.
 */
export function judgeSession({ sid, signed, session }: SessionCase): Judgement {
  // One in which nobody has logged in is no login.
  if (session === undefined || session.name === null || session.disabled) return undefined;
  const of = (cause: LogoutCause): Judgement => ({
    cause,
    subject: createHash('sha256').update(sid).digest('hex'),
    userId: session.userId ?? undefined,
  });
  if (session.userId === null) return of('session_user_unknown');
  return of(signed ? 'unexplained' : 'session_secret_changed');
}
