import { describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Config } from '../../../src/config/config.js';
import type { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import type { TokenFamily } from '../../../src/tokens/families/token-family.js';
import { RefreshPresentation } from '../../../src/tokens/families/presentation.service.js';
import type { Admission } from '../../../src/tokens/families/presentation.service.js';
import { RefreshTokenCodec } from '../../../src/tokens/families/refresh-token.codec.js';
import { RefreshTokenService } from '../../../src/tokens/families/refresh-token.service.js';
import type { RefreshTokenStore } from '../../../src/tokens/families/refresh-token.store.js';
import type { RotationStore } from '../../../src/tokens/families/rotation.store.js';

const config = { jwtSecret: 'a secret', refreshReuseGrace: 10, refreshLostResponseWindow: 60 } as Config;
const codec = new RefreshTokenCodec(config);
const family = { sid: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a02', secret: Buffer.alloc(32, 1) };
const token = codec.mint(family, 0, codec.currentKey)!;

function presentationOf(alone: boolean) {
  const login = {
    ...family,
    unlinked: alone,
    generation: 0,
    confirmedGeneration: 0,
    macKey: codec.currentKey,
  } as TokenFamily;
  const lost = vi.fn().mockResolvedValue(undefined);
  const find = vi.fn().mockResolvedValue(login);
  const tokens = new RefreshTokenService({ find } as unknown as RefreshTokenStore, codec, config);
  const rotations = { rotate: lost, rotateCounted: lost } as unknown as RotationStore;
  const ender = { mayContinue: () => Promise.resolve(true) } as unknown as RevocationService;
  return {
    presentation: new RefreshPresentation(tokens, codec, rotations, ender, config),
    tokens,
    lost,
    find,
  };
}

describe('RefreshPresentation', () => {
  const counting: Admission['countWithin'] = (_sid, statement) =>
    statement({ key: Buffer.alloc(16), limit: 1, window: 1, slot: 1 }).then((result) => result?.done);

  it.each([
    ['stands alone', true, counting],
    ['is asked for', true, undefined],
    ['has a companion', false, counting],
  ])('has the client of a login that %s come back when every race is lost', async (_, alone, countWithin) => {
    const { presentation, lost } = presentationOf(alone);
    const admit = vi.fn();
    await expect(presentation.present(token, { admit, countWithin }, NO_ORIGIN)).rejects.toMatchObject({
      status: 503,
    });
    expect(lost.mock.calls.length).toBeLessThanOrEqual(10);
    expect(admit).toHaveBeenCalledTimes(alone && countWithin ? 0 : 1);
  });

  it('refuses a forged token of a login whose secret it knows without asking the database', async () => {
    const { presentation, tokens, lost, find } = presentationOf(true);
    tokens.secrets.set(family.sid, family.secret);
    const forged = codec.mint({ ...family, secret: Buffer.alloc(32, 2) }, 0, codec.currentKey)!;
    const admission = { admit: vi.fn(), countWithin: counting };
    expect(await presentation.present(forged, admission, NO_ORIGIN)).toEqual({
      outcome: 'rejected',
      reason: 'refresh_token_invalid',
    });
    expect([lost, find].flatMap(({ mock }) => mock.calls)).toEqual([]);
  });

  it('remembers no secret for a token that is not genuine, and none of a login that has a companion', async () => {
    const strangers = presentationOf(true);
    const forged = codec.mint({ ...family, secret: Buffer.alloc(32, 2) }, 0, codec.currentKey)!;
    const admission = { admit: vi.fn(), countWithin: counting };
    await strangers.presentation.present(forged, admission, NO_ORIGIN);
    expect(strangers.tokens.secrets.size).toBe(0);
    const bound = presentationOf(false);
    await bound.tokens.lookUp(token);
    expect(bound.tokens.secrets.size).toBe(0);
    await strangers.tokens.lookUp(token);
    expect(strangers.tokens.secrets.size).toBe(1);
  });
});
