import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Config } from '../../../src/config/config.js';
import { KeyAdministrationService } from '../../../src/tokens/keys/key-administration.service.js';
import type { RowAlarms } from '../../../src/audit/row-alarms.js';
import { decryptKey, encryptKey } from '../../../src/tokens/keys/key-material.js';
import { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import type { TrustedKey } from '../../../src/tokens/keys/key-trust.service.js';
import type { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import type { SigningKeyStore } from '../../../src/tokens/keys/signing-key.store.js';

const SECRET = 'the secret of this installation, long enough';
const OTHER = 'quite another secret, which is as long as that';
const NOW = 1_900_000_000_000;
const LIFE = 900;
const HOUR = 3_600_000;

describe('signing on a node', () => {
  let folder: string;
  let made: readonly [TrustedKey, TrustedKey, TrustedKey];
  beforeAll(() => {
    const row = (secret: string, promoteAt: number): TrustedKey => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const stored = encryptKey(privateKey, secret);
      return {
        ...stored,
        publicKey,
        privateKey: decryptKey(stored.privatePem, SECRET),
        promoteAt,
        createdAt: new Date(NOW - 2 * HOUR),
        distrusted: false,
        distrustedAt: null,
        predatesMacs: false,
        needsMacs: false,
      };
    };
    made = [row(SECRET, NOW - HOUR), row(OTHER, NOW - 1_000), row(SECRET, NOW + HOUR)];
  });
  beforeEach(async () => {
    Logger.overrideLogger(false);
    folder = await mkdtemp(join(tmpdir(), 'tandem-signing-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function aRing(keys: readonly TrustedKey[], changes: object = {}) {
    const config = { jwtSecret: SECRET, keysDir: folder, rsaModulusBits: 2048 } as Config;
    const load = () => Promise.resolve({ keys, refused: [], alarms: [], now: NOW, longestExpiry: LIFE });
    const store = { load, ...changes } as unknown as SigningKeyStore;
    const alarms = { replace: vi.fn() } as unknown as RowAlarms;
    const feed = { subscribe: vi.fn(), hint: vi.fn() };
    const ring = new KeyRingService(store, feed as unknown as ChangeFeed, alarms, config);
    const administration = new KeyAdministrationService(store, ring, feed as unknown as ChangeFeed, config);
    return { ring, administration, feed };
  }

  it('answers 503 while there is no key', async () => {
    const { ring } = aRing([]);
    await ring.reload();
    expect(ring.canSign(NOW)).toBe(false);
    expect(JSON.parse(ring.jwks(NOW).body)).toEqual({ keys: [] });
    await expect(ring.sign({}, NOW)).rejects.toMatchObject({ status: 503 });
  });

  it('publishes and verifies with a key that JWT_SECRET does not decrypt, but does not sign with it', async () => {
    const [before, foreign] = made;
    const { ring } = aRing([before, foreign]);
    await ring.reload();
    expect(ring.publicKey(foreign.kid)?.asymmetricKeyType).toBe('rsa');
    expect(ring.jwks(NOW).body).toContain(foreign.kid);
    expect(ring.canSign(NOW)).toBe(false);
    await expect(ring.sign({}, NOW)).rejects.toMatchObject({ status: 503 });
    // It signed until the other key was promoted.
    expect(ring.publicKey(before.kid)).toBeDefined();
  });

  it('signs with the key that was current at the last poll, even if the caller has an earlier time', async () => {
    const [first, , successor] = made;
    const { ring } = aRing([first, { ...successor, promoteAt: NOW - 1 }]);
    await ring.reload();
    for (const now of [NOW - 5_000, NOW - 1, NOW, NOW + HOUR]) {
      expect(decodeProtectedHeader(await ring.sign({}, now)).kid).toBe(successor.kid);
      expect(ring.canSign(now)).toBe(true);
    }
  });

  it('can sign while there is a current key, even if the clock of this node lags', async () => {
    const [distrusted, , successor] = made;
    const { ring } = aRing([
      { ...distrusted, distrusted: true, distrustedAt: new Date(NOW - 1) },
      { ...successor, promoteAt: NOW - 1 },
    ]);
    await ring.reload();
    for (const now of [0, NOW - 5_000, NOW - 2, NOW]) {
      expect(ring.canSign(now)).toBe(true);
      expect(decodeProtectedHeader(await ring.sign({}, now)).kid).toBe(successor.kid);
      expect(ring.jwks(now).body).toContain(successor.kid);
    }
  });

  it('signs with the next key between two polls when its time has come', async () => {
    const [first, , next] = made;
    const { ring } = aRing([first, { ...next, promoteAt: NOW + 100 }]);
    await ring.reload();
    const signers: string[] = [];
    for (const now of [NOW, NOW + 99, NOW + 100, NOW + 101])
      signers.push(decodeProtectedHeader(await ring.sign({}, now)).kid!);
    expect(signers).toEqual([first.kid, first.kid, next.kid, next.kid]);
  });

  it('lists each key with its state for administrators', async () => {
    const [gone, current, next] = [{ ...made[0], promoteAt: NOW - 3 * HOUR }, made[0], made[2]];
    const distrusted = { ...made[1], distrusted: true, distrustedAt: new Date(NOW) };
    const { administration } = aRing([{ ...gone, kid: 'gone' }, current, distrusted, next]);
    const views = await administration.list();
    expect(views.map(({ state }) => state)).toEqual(['gone', 'current', 'distrusted', 'next']);
    expect(views[2]!.distrusted_at).toBe(new Date(NOW).toISOString());
    const ripening = aRing([next]);
    expect((await ripening.administration.list()).map(({ state }) => state)).toEqual(['next']);
  });

  it('reloads nothing and sends no hint if the change fails in the database', async () => {
    const { administration, feed } = aRing([made[0]], { rotate: () => Promise.reject(new Error('lost')) });
    await expect(administration.rotate(NO_ORIGIN)).rejects.toThrow('lost');
    expect(feed.hint).not.toHaveBeenCalled();
  });
});
