import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { RowAlarms } from '../../../src/audit/row-alarms.js';
import { Clock } from '../../../src/common/clock.js';
import type { Config } from '../../../src/config/config.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { KeyAdministrationService } from '../../../src/tokens/keys/key-administration.service.js';
import { encryptKey } from '../../../src/tokens/keys/key-material.js';
import { KeyOpenerService } from '../../../src/tokens/keys/key-opener.service.js';
import { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import { KeyTrustService } from '../../../src/tokens/keys/key-trust.service.js';
import { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { RevocationList } from '../../../src/tokens/feed/revocation-list.js';
import { RevocationStore } from '../../../src/tokens/feed/revocation.store.js';
import { SigningKeyStore } from '../../../src/tokens/keys/signing-key.store.js';
import { tamper } from '../../helpers/audit-trail.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { refusedWithinASecond } from '../../helpers/within-a-second.js';

const SECRET = 'the secret of this installation, long enough';
const OTHER = 'quite another secret, which is as long as that';

let db: TestDatabase;
let folder: string;
let feeds: ChangeFeed[] = [];

interface Node {
  readonly opener: KeyOpenerService;
  readonly alarms: RowAlarms;
  readonly ring: KeyRingService;
  readonly keys: KeyAdministrationService;
  readonly feed: ChangeFeed;
  readonly clock: DatabaseClock;
  readonly store: SigningKeyStore;
}

/** A node that shares only the database with others, and the folder if it is given. */
function aNode(settings: Partial<Config> = {}): Node {
  const config = {
    production: false,
    jwtSecret: SECRET,
    jwtSecretPrevious: undefined,
    keysDir: join(folder, 'keys'),
    rsaModulusBits: 2048,
    ...settings,
  } as Config;
  const { database } = db;
  const [state, audit] = [new ServiceStateStore(database), new AuditStore(database)];
  const alarms = new RowAlarms(database, state, audit);
  const store = new SigningKeyStore(database, state, audit, new KeyTrustService(config));
  const loops = new BackgroundLoops(true);
  const own = new Clock();
  const clock = new DatabaseClock(own);
  const revoked = new RevocationList(clock, loops);
  const feed = new ChangeFeed(new RevocationStore(database), database, revoked, clock, own, loops);
  feeds.push(feed);
  const opener = new KeyOpenerService(store, config);
  const ring = new KeyRingService(store, feed, alarms, config);
  const keys = new KeyAdministrationService(store, ring, feed, config);
  return { ring, opener, alarms, keys, feed, clock, store };
}

async function open({ opener, ring }: Node): Promise<void> {
  await opener.open();
  await ring.reload();
}

async function started(settings: Partial<Config> = {}): Promise<Node> {
  const node = aNode(settings);
  await open(node);
  await node.feed.start();
  return node;
}

async function signer({ ring, clock }: Node): Promise<string> {
  return decodeProtectedHeader(await ring.sign({ a: 1 }, clock.now())).kid!;
}

async function rows() {
  return db.database.query<{ kid: string; private_pem: string }>(
    'SELECT kid, private_pem FROM signing_keys ORDER BY promote_at, kid',
  );
}

async function causes(): Promise<string[]> {
  const events = await db.database.query<{ cause: string }>(
    `SELECT cause FROM audit_events WHERE event = 'key' AND cause <> 'refused' ORDER BY id`,
  );
  return events.map(({ cause }) => cause);
}

async function put(name: string, pem: string, seconds: number): Promise<void> {
  await mkdir(join(folder, 'keys'), { recursive: true });
  await writeFile(join(folder, 'keys', name), pem, { mode: 0o600 });
  await utimes(join(folder, 'keys', name), seconds, seconds);
}

beforeAll(async () => {
  db = await createTestDatabase();
});

afterAll(() => db.drop());

beforeEach(async () => {
  Logger.overrideLogger(false);
  folder = await mkdtemp(join(tmpdir(), 'tandem-keys-'));
  await tamper(db, 'TRUNCATE signing_keys, audit_events');
  await db.database.query(
    `UPDATE service_state SET secret_fingerprint = NULL, max_token_expiry = 905, versions = '{}'`,
  );
});

afterEach(async () => {
  for (const feed of feeds) feed.onApplicationShutdown();
  feeds = [];
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

describe('the start of a key ring', () => {
  it('makes one key for all nodes that start at once on an empty database', async () => {
    const nodes = [aNode(), aNode({ keysDir: join(folder, 'second') })];
    await Promise.all(nodes.map(open));
    expect(await rows()).toHaveLength(1);
    expect(await causes()).toEqual(['created']);
    for (const { feed } of nodes) await feed.start();
    expect(await signer(nodes[0]!)).toBe(await signer(nodes[1]!));
  });

  it('refuses another secret and replaces nothing', async () => {
    await started();
    const before = await rows();
    const files = await readdir(join(folder, 'keys'));
    await expect(aNode({ jwtSecret: OTHER }).opener.open()).rejects.toThrow(/^[^\n]*JWT_SECRET[^\n]*$/);
    expect(await rows()).toEqual(before);
    expect(await readdir(join(folder, 'keys'))).toEqual(files);
  });

  it('refuses a key that JWT_SECRET does not decrypt, even if the fingerprint matches', async () => {
    await started();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const foreign = encryptKey(privateKey, OTHER).privatePem;
    await db.database.query('UPDATE signing_keys SET private_pem = $1', [foreign]);
    await expect(aNode().opener.open()).rejects.toThrow(/does not decrypt the key/);
    expect((await rows())[0]!.private_pem).toBe(foreign);
  });

  it('refuses a secret that is too long to decrypt what it has encrypted', async () => {
    await expect(aNode({ jwtSecret: 'long secret '.repeat(100) }).opener.open()).rejects.toThrow(
      /1024 bytes/,
    );
    expect(await rows()).toEqual([]);
  });

  it('re-encrypts the keys after a change of the secret, and refuses the old secret', async () => {
    const kid = await signer(await started());
    const changed = await started({ jwtSecret: OTHER, jwtSecretPrevious: SECRET });
    expect(await signer(changed)).toBe(kid);
    const [row] = await rows();
    expect(() => createPrivateKey({ key: row!.private_pem, passphrase: OTHER })).not.toThrow();
    expect(() => createPrivateKey({ key: row!.private_pem, passphrase: SECRET })).toThrow();
    await expect(aNode().opener.open()).rejects.toThrow(/JWT_SECRET/);
  });

  it('imports plain and encrypted keys: the newest signs and the others still verify', async () => {
    const [older, newer] = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
    await put('z-older.pem', older!.export({ type: 'pkcs1', format: 'pem' }).toString(), 1_700_000_000);
    await put('a-newer.pem', encryptKey(newer!, SECRET).privatePem, 1_700_000_100);
    const node = await started();
    expect(await signer(node)).toBe(encryptKey(newer!, SECRET).kid);
    expect(node.ring.publicKey(encryptKey(older!, SECRET).kid)).toBeDefined();
    expect(await causes()).toEqual(['imported', 'imported']);
  });

  it('names the key file that it cannot decrypt, and creates no key in its place', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await put('locked.pem', encryptKey(privateKey, OTHER).privatePem, 1_700_000_000);
    await expect(aNode().opener.open()).rejects.toThrow(/locked\.pem/);
    expect(await rows()).toEqual([]);
  });

  it('refuses key files that every user may read in production', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await put('open.pem', encryptKey(privateKey, SECRET).privatePem, 1_700_000_000);
    await chmod(join(folder, 'keys', 'open.pem'), 0o644);
    await expect(aNode({ production: true }).opener.open()).rejects.toThrow(/open\.pem/);
    await expect(aNode().opener.open()).resolves.toBeUndefined();
  });

  it('writes encrypted copies that only the owner may read', async () => {
    const kid = await signer(await started());
    const file = join(folder, 'keys', `${kid}.pem`);
    await vi.waitFor(async () => expect((await stat(file)).mode & 0o777).toBe(0o600), 15_000);
    const pem = await readFile(file, 'utf8');
    expect(() => createPrivateKey(pem)).toThrow();
    expect(() => createPrivateKey({ key: pem, passphrase: SECRET })).not.toThrow();
  });

  it('serves if it cannot write to KEYS_DIR', async () => {
    await writeFile(join(folder, 'file'), '');
    const node = await started({ keysDir: join(folder, 'file', 'keys') });
    expect(await signer(node)).toMatch(/^[\w-]{43}$/);
  });
});

describe('a change of the key ring', () => {
  it('publishes one next key for several requests, and still signs with the current one', async () => {
    const node = await started();
    const kid = await signer(node);
    const [first, second] = [await node.keys.rotate(NO_ORIGIN), await node.keys.rotate(NO_ORIGIN)];
    expect(second).toEqual(first);
    expect(first.map(({ state }) => state).toSorted()).toEqual(['current', 'next']);
    expect(await signer(node)).toBe(kid);
    expect(await causes()).toEqual(['created', 'rotated']);
    const { keys } = JSON.parse(node.ring.jwks(node.clock.now()).body) as { keys: object[] };
    expect(keys.map((key) => Object.keys(key).toSorted())).toEqual(
      Array.from({ length: 2 }, () => ['alg', 'e', 'kid', 'kty', 'n', 'use']),
    );
  });

  it('promotes the next key when its time has come, without another change', async () => {
    const node = await started();
    const before = await signer(node);
    const next = (await node.keys.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    const token = await node.ring.sign({}, Date.parse(next.promote_at) + 1);
    expect(decodeProtectedHeader(token).kid).toBe(next.kid);
    expect(node.ring.publicKey(before)).toBeDefined();
  });

  it('signs with a successor at once when the current key is distrusted', async () => {
    const node = await started();
    const kid = await signer(node);
    const kept: boolean[] = [];
    node.ring.onChange((keeps) => kept.push(keeps(kid)));
    expect(await node.keys.distrust(kid, NO_ORIGIN)).toBe('distrusted');
    expect(node.ring.publicKey(kid)).toBeUndefined();
    expect(kept).toContain(false);
    expect(await signer(node)).not.toBe(kid);
    expect(node.ring.jwks(node.clock.now()).body).not.toContain(kid);
    await vi.waitFor(
      async () => expect(await readdir(join(folder, 'keys'))).not.toContain(`${kid}.pem`),
      15_000,
    );
  });

  it('promotes the next key if there is one, and distrusts once for several requests', async () => {
    const node = await started();
    const kid = await signer(node);
    const next = (await node.keys.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    await node.keys.distrust(kid, NO_ORIGIN);
    expect(await signer(node)).toBe(next.kid);
    const events = await causes();
    expect(await node.keys.distrust(kid, NO_ORIGIN)).toBe('distrusted');
    expect(await causes()).toEqual(events);
    expect(await node.keys.distrust('unknown', NO_ORIGIN)).toBe('unknown');
    expect(await rows()).toHaveLength(2);
  });

  it('still signs with the current key when the next one is distrusted', async () => {
    const node = await started();
    const kid = await signer(node);
    const next = (await node.keys.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    expect(await node.keys.distrust(next.kid, NO_ORIGIN)).toBe('distrusted');
    expect(await signer(node)).toBe(kid);
    expect(node.ring.jwks(node.clock.now()).body).not.toContain(next.kid);
    expect(await rows()).toHaveLength(2);
  });

  it('distrusts a previous key without another change of the ring', async () => {
    const node = await started();
    const previous = await signer(node);
    await node.keys.rotate(NO_ORIGIN);
    await db.database.query(`UPDATE signing_keys SET promote_at = promote_at - interval '16 minutes'`);
    await node.ring.reload();
    await node.keys.rotate(NO_ORIGIN);
    const before = await node.keys.list();
    expect(before.map(({ state }) => state)).toEqual(['previous', 'current', 'next']);
    expect(await node.keys.distrust(previous, NO_ORIGIN)).toBe('distrusted');
    const [distrusted, ...others] = await node.keys.list();
    expect(distrusted).toMatchObject({ kid: previous, state: 'distrusted' });
    expect(others).toEqual(before.slice(1));
    expect(await signer(node)).toBe(before[1]!.kid);
    const [event] = await db.database.query<{ detail: object }>(
      `SELECT detail FROM audit_events WHERE event = 'key' AND cause = 'distrusted'`,
    );
    expect(event!.detail).toEqual({ kid: previous });
    expect(await causes()).toEqual(['created', 'rotated', 'rotated', 'distrusted']);
  });

  it('distrusts once and creates one successor for concurrent requests', async () => {
    const nodes = [await started(), await started({ keysDir: join(folder, 'second') })];
    const kid = await signer(nodes[0]!);
    const outcomes = await Promise.all(nodes.map(({ keys }) => keys.distrust(kid, NO_ORIGIN)));
    expect(outcomes).toEqual(['distrusted', 'distrusted']);
    expect((await causes()).filter((cause) => cause === 'distrusted')).toHaveLength(1);
    expect(await rows()).toHaveLength(2);
  });

  it('reaches the other nodes within a second', async () => {
    const [one, two] = [await started(), await started({ keysDir: join(folder, 'second') })];
    const kid = await signer(one);
    await one.keys.distrust(kid, NO_ORIGIN);
    await refusedWithinASecond({
      refuses: () => two.ring.publicKey(kid) === undefined,
      accepts: () => two.feed.isFresh() && two.ring.publicKey(kid) !== undefined,
    });
    expect(await signer(two)).toBe(await signer(one));
  });

  it('is not undone by a read of the ring that began before it', async () => {
    const node = await started();
    const kid = await signer(node);
    const load = node.store.load.bind(node.store);
    const gate = Promise.withResolvers<void>();
    const reading = vi.spyOn(node.store, 'load').mockImplementationOnce(async () => {
      const before = await load();
      await gate.promise;
      return before;
    });
    const late = node.ring.reload();
    await vi.waitFor(() => expect(reading).toHaveBeenCalled(), 15_000);
    const distrusted = node.keys.distrust(kid, NO_ORIGIN);
    await vi.waitFor(async () => expect(await causes()).toContain('distrusted'), 15_000);
    gate.resolve();
    await Promise.all([late, distrusted]);
    expect(node.ring.publicKey(kid)).toBeUndefined();
  });

  it('is refused on a node whose secret was replaced meanwhile', async () => {
    const outdated = await started();
    const kid = await signer(outdated);
    await started({ jwtSecret: OTHER, jwtSecretPrevious: SECRET });
    const before = await rows();
    await expect(outdated.keys.rotate(NO_ORIGIN)).rejects.toMatchObject({ status: 503 });
    await expect(outdated.keys.distrust(kid, NO_ORIGIN)).rejects.toMatchObject({ status: 503 });
    expect(await rows()).toEqual(before);
    expect(await signer(outdated)).toBe(kid);
  });

  it('removes keys that no valid token is signed with, and their copies', async () => {
    const node = await started();
    const kid = await signer(node);
    await node.keys.rotate(NO_ORIGIN);
    await db.database.query(`UPDATE signing_keys SET promote_at = promote_at - interval '1 hour'`);
    expect(await node.store.removeExpired()).toBe(1);
    expect(await node.store.removeExpired()).toBe(0);
    await node.ring.reload();
    expect(node.ring.publicKey(kid)).toBeUndefined();
    await vi.waitFor(
      async () => expect(await readdir(join(folder, 'keys'))).not.toContain(`${kid}.pem`),
      15_000,
    );
  });
});
