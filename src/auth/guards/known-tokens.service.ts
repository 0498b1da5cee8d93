import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { BackgroundLoops } from '../../common/background-loops.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import type { Principal } from '../principal.js';

/** Tokens held, at about 1.3 kB each. A node with more tokens in use verifies some signatures repeatedly. */
export const CAPACITY = 50_000;

const PRUNE_INTERVAL_MS = 60_000;

/** The characters at the end of a token that identify it: 192 bits of its signature. */
const TAIL = 32;

/**
 * How long after the start of this node another node may still run the earlier release, whose tokens have no claim `external_id` although
 * the user may have one. The principal of a token without the claim that was minted before then does not say whether there is an id.
 */
const UPGRADE_SECONDS = 3_600;

/** A verified token and its principal. All requests with the token share the principal, so it is frozen. */
export interface KnownToken extends VerifiedToken {
  readonly principal: Principal;
}

/**
 * The access tokens whose signature this node has verified. Says nothing about trust in the key, revocation or expiry. Bounded: the
 * oldest token makes room. All tokens live equally long, so the oldest one expires first.
 */
@Injectable()
export class KnownTokensService implements OnApplicationBootstrap {
  /** The known tokens, by the end of their text. Hashing the whole text would cost more than everything else that a known token costs. */
  private readonly entries = new Map<string, { readonly token: string; readonly known: KnownToken }>();

  /** When every node writes the claim `external_id`, in seconds since the epoch. Older tokens may lack it. */
  private claimedSince = Infinity;

  constructor(
    private readonly clock: DatabaseClock,
    loops: BackgroundLoops,
    @Inject(CONFIG) { clockTolerance }: Config,
  ) {
    const run = () => this.prune(clock.now() / 1000 - clockTolerance);
    const failure = 'expired tokens stay in the cache for now';
    loops.create({ name: 'token-cache', everyMs: PRUNE_INTERVAL_MS, failure, run }).start();
  }

  /** The clock is known once the node has started. */
  onApplicationBootstrap(): void {
    this.claimedSince = this.clock.now() / 1000 + UPGRADE_SECONDS;
  }

  get size(): number {
    return this.entries.size;
  }

  find(token: string): KnownToken | undefined {
    const entry = this.entries.get(token.slice(-TAIL));
    // Anybody can put the end of one token behind the beginning of another, so compare the whole text.
    return entry?.token === token ? entry.known : undefined;
  }

  remember(token: string, verified: VerifiedToken): KnownToken {
    const { sub: userId, role, sid, external_id, iat } = verified.claims;
    const externalId = external_id ?? (iat < this.claimedSince ? undefined : null);
    const principal = Object.freeze({ userId, role, sid, externalId, via: 'bearer' } as const);
    const known = { ...verified, principal };
    if (this.entries.size >= CAPACITY) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(token.slice(-TAIL), { token, known });
    return known;
  }

  /** Later requests with the token have a principal with this external id. Does nothing for a token that is not held. */
  rememberExternalId(token: string, externalId: string | null): void {
    const known = this.find(token);
    if (known === undefined) return;
    const principal = Object.freeze({ ...known.principal, externalId });
    this.entries.set(token.slice(-TAIL), { token, known: { ...known, principal } });
  }

  /** Forgets the tokens that have expired. `now`: seconds since the epoch. */
  prune(now: number): void {
    for (const [tail, { known }] of this.entries) if (known.claims.exp <= now) this.entries.delete(tail);
  }
}
