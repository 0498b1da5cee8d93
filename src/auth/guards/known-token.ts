import type { VerifiedToken } from '../../tokens/access/access-token.js';
import type { Principal } from '../principal.js';

/** A token proved to be ours, with the principal it stands for. Shared by all requests that carry it: frozen. */
export interface KnownToken extends VerifiedToken {
  readonly principal: Principal;
}

export function knownToken(token: VerifiedToken): KnownToken {
  const { sub, role, sid } = token.claims;
  return { ...token, principal: Object.freeze({ userId: sub, role, sid, via: 'bearer' }) };
}
