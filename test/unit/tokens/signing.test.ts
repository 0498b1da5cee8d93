import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Config } from '../../../src/config/config.js';
import { KeyAdministration } from '../../../src/tokens/key-administration.service.js';
import { encryptKey } from '../../../src/tokens/key-material.js';
import { KeyRing } from '../../../src/tokens/key-ring.service.js';
import type { KeyOpener } from '../../../src/tokens/key-opener.js';
import type { RevocationFeed } from '../../../src/tokens/revocation-feed.js';
import type { KeyRow, SigningKeyStore } from '../../../src/tokens/signing-key.store.js';

const SECRET = 'the secret of this installation, long enough';
const OTHER = 'quite another secret, which is as long as that';
const NOW = 1_900_000_000_000;
const LIFE = 900;
const HOUR = 3_600_000;

describe('what a node can sign with', () => {
  let folder: string;
  let made: readonly [KeyRow, KeyRow, KeyRow];
  beforeAll(() => {
    const row = (secret: string, promoteAt: number): KeyRow => ({
      ...encryptKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, secret),
      promoteAt,
      createdAt: new Date(NOW - 2 * HOUR),
      distrusted: false,
      distrustedAt: null,
    });
    made = [row(SECRET, NOW - HOUR), row(OTHER, NOW - 1_000), row(SECRET, NOW + HOUR)];
  });
  beforeEach(async () => {
    Logger.overrideLogger(false);
    folder = await mkdtemp(join(tmpdir(), 'tandem-signing-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function aRing(keys: readonly KeyRow[], changes: object = {}) {
    const config = { jwtSecret: SECRET, keysDir: folder, rsaModulusBits: 2048 } as Config;
    const load = () => Promise.resolve({ keys, now: NOW, longestExpiry: LIFE });
    const store = { load, ...changes } as unknown as SigningKeyStore;
    const feed = { follow: vi.fn(), announce: vi.fn() };
    const ring = new KeyRing(store, {} as KeyOpener, feed as unknown as RevocationFeed, config);
    const administration = new KeyAdministration(store, ring, feed as unknown as RevocationFeed, config);
    return { ring, administration, feed };
  }

  it('is nothing before there is a key, and asking is answered 503', async () => {
    const { ring } = aRing([]);
    await ring.reload();
    expect(ring.canSign(NOW)).toBe(false);
    expect(JSON.parse(ring.jwks(NOW).body)).toEqual({ keys: [] });
    await expect(ring.sign({}, NOW)).rejects.toMatchObject({ status: 503 });
  });

  it('is not a key that its secret does not open, which it publishes and verifies by all the same', async () => {
    const [before, foreign] = made;
    const { ring } = aRing([before, foreign]);
    await ring.reload();
    expect(ring.publicKey(foreign.kid)?.asymmetricKeyType).toBe('rsa');
    expect(ring.jwks(NOW).body).toContain(foreign.kid);
    expect(ring.canSign(NOW)).toBe(false);
    await expect(ring.sign({}, NOW)).rejects.toMatchObject({ status: 503 });
    // It signed until the other one was promoted.
    expect(ring.publicKey(before.kid)).toBeDefined();
  });

  it('is shown to administrators with the state of each key', async () => {
    const [gone, current, next] = [{ ...made[0], promoteAt: NOW - 3 * HOUR }, made[0], made[2]];
    const distrusted = { ...made[1], distrusted: true, distrustedAt: new Date(NOW) };
    const { administration } = aRing([{ ...gone, kid: 'gone' }, current, distrusted, next]);
    const views = await administration.list();
    expect(views.map(({ state }) => state)).toEqual(['gone', 'current', 'distrusted', 'next']);
    expect(views[2]!.distrusted_at).toBe(new Date(NOW).toISOString());
    const ripening = aRing([next]);
    expect((await ripening.administration.list()).map(({ state }) => state)).toEqual(['next']);
  });

  it('changes for nobody if the database fails the change', async () => {
    const { administration, feed } = aRing([made[0]], { rotate: () => Promise.reject(new Error('lost')) });
    await expect(administration.rotate(NO_ORIGIN)).rejects.toThrow('lost');
    expect(feed.announce).not.toHaveBeenCalled();
  });
});
