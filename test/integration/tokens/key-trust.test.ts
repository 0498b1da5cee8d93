import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Config } from '../../../src/config/config.js';
import { decryptKey, encryptKey } from '../../../src/tokens/keys/key-material.js';
import type { StoredKey } from '../../../src/tokens/keys/key-material.js';
import { tamper } from '../../helpers/audit-trail.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aNode } from './token-node.js';
import type { TokenNode } from './token-node.js';

const OLD = 'the previous secret, long enough for all';
const NEW = 'the secret of today, long enough for all of us';

let db: TestDatabase;
let nodes: TokenNode[] = [];

async function open({ opener, keys }: TokenNode): Promise<void> {
  await opener.open();
  await keys.reload();
}

async function started(change: Partial<Config> = {}): Promise<TokenNode> {
  const node = await aNode(db.url, { jwtSecret: OLD, ...change });
  nodes.push(node);
  await open(node);
  await node.feed.start();
  return node;
}

const sql = (statement: string, values: unknown[] = []) =>
  db.dataSource.query<Record<string, unknown>[]>(statement, values);
const rows = () => sql('SELECT kid, public_jwk, private_pem, macs FROM signing_keys ORDER BY promote_at');
const signer = async ({ keys, clock }: TokenNode) =>
  decodeProtectedHeader(await keys.sign({}, clock.now())).kid!;
const jwks = ({ keys, clock }: TokenNode) => keys.jwks(clock.now()).body;
const alarmsOf = ({ alarms }: TokenNode) => alarms.all().map(({ id, reason }) => `${id} ${reason}`);
const audited = async () =>
  (
    await sql(
      `SELECT detail ->> 'id' AS id, detail ->> 'reason' AS reason FROM audit_events WHERE event = 'key' AND cause = 'refused'`,
    )
  ).map(({ id, reason }) => `${String(id)} ${String(reason)}`);

/** Inserts a row like an attacker who can write to the database but does not know the secret. */
async function insert({ kid, publicJwk, privatePem }: StoredKey, promoteAt = 'now()', macs: unknown = null) {
  await sql(
    `INSERT INTO signing_keys (kid, public_jwk, private_pem, promote_at, macs) VALUES ($1, $2, $3, ${promoteAt}, $4)`,
    [kid, JSON.stringify(publicJwk), privatePem, macs === null ? null : JSON.stringify(macs)],
  );
  await bump();
}
async function bump(): Promise<void> {
  await sql(
    `UPDATE service_state SET versions = jsonb_set(versions, '{keys}', to_jsonb((versions ->> 'keys')::int + 1))`,
  );
}

let foreign: StoredKey;
let another: KeyObject;
beforeAll(async () => {
  db = await createTestDatabase();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  foreign = encryptKey(privateKey, 'a secret of somebody else, long enough');
  another = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
});
afterAll(() => db.drop());
beforeEach(async () => {
  await tamper(db, 'TRUNCATE signing_keys, audit_events');
  await sql(`UPDATE service_state SET secret_fingerprint = NULL, max_token_expiry = 905, versions = '{}'`);
});
afterEach(async () => {
  for (const node of nodes) await node.stop();
  nodes = [];
});

describe('a row of signing_keys that somebody else wrote', () => {
  it('is not trusted, published or promoted on any node, and raises one alarm', async () => {
    const [one, two] = [await started(), await started()];
    const kid = await signer(one);
    const ours = (await rows())[0]!;
    for (const [promoteAt, macs] of [
      ['now()', null],
      [`now() + interval '1 hour'`, ours['macs']],
      [`now() - interval '1 hour'`, { '000000000000': 'AAAA' }],
      [`now() + interval '1 minute'`, 'text'],
    ] as const) {
      await sql('DELETE FROM signing_keys WHERE kid = $1', [foreign.kid]);
      await insert(foreign, promoteAt, macs);
      for (const node of [one, two]) {
        await node.keys.reload();
        expect(node.keys.publicKey(foreign.kid)).toBeUndefined();
        expect(node.keys.verificationKey(foreign.kid)).toBeUndefined();
        expect(jwks(node)).not.toContain(foreign.kid);
        expect(await signer(node)).toBe(kid);
        expect(alarmsOf(node)).toEqual([`${foreign.kid} not_ours`]);
        expect(node.alarms.counts()).toEqual({ signing_keys: 1, oauth_clients: 0, service_state: 0 });
      }
    }
    await vi.waitFor(async () => expect(await audited()).toEqual([`${foreign.kid} not_ours`]), 15_000);
    const views = await one.keyAdministration.list();
    expect(views.find((view) => view.kid === foreign.kid)?.state).toBe('refused');
  });

  it('prevents no start, no rotation and no successor', async () => {
    const first = await started();
    const kid = await signer(first);
    await insert(foreign, `now() + interval '1 minute'`);
    const node = await started();
    expect(await signer(node)).toBe(kid);
    const next = (await node.keyAdministration.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    expect(next.kid).not.toBe(foreign.kid);
    await node.keyAdministration.distrust(kid, NO_ORIGIN);
    expect(await signer(node)).toBe(next.kid);
  });

  it('clears its alarm when it is distrusted, and its key is never treated as ours', async () => {
    const node = await started();
    const kid = await signer(node);
    await insert(foreign);
    await node.keys.reload();
    expect(await node.keyAdministration.distrust(foreign.kid, NO_ORIGIN)).toBe('distrusted');
    expect(alarmsOf(node)).toEqual([]);
    expect(node.keys.verificationKey(foreign.kid)).toBeUndefined();
    await sql('UPDATE signing_keys SET distrusted_at = NULL WHERE kid = $1', [foreign.kid]);
    await node.keys.reload();
    expect(node.keys.publicKey(foreign.kid)).toBeUndefined();
    expect(await signer(node)).toBe(kid);
  });

  it('is refused if it names the kid of another key, or a path', async () => {
    const node = await started();
    const ours = (await rows())[0]!;
    const pem = ours['private_pem'] as string;
    for (const kid of [foreign.kid, '../../outside', `${String(ours['kid'])}x`, 'x'.repeat(10_000)]) {
      await insert({ ...foreign, kid, privatePem: pem }, `now() - interval '1 minute'`);
      await node.keys.reload();
      expect(node.keys.publicKey(kid)).toBeUndefined();
      expect(alarmsOf(node)).toEqual([`${kid.slice(0, 64)} other_key`]);
      await sql('DELETE FROM signing_keys WHERE kid = $1', [kid]);
    }
    const { keysDir } = node.config;
    await expect(access(join(keysDir, '../../outside.pem'))).rejects.toThrow('ENOENT');
    expect(await readdir(keysDir)).toEqual([`${String(ours['kid'])}.pem`]);
  });
});

describe('a row of ours that somebody else changed', () => {
  it('is published with the public key that belongs to its private key', async () => {
    const node = await started();
    const next = (await node.keyAdministration.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    const before = JSON.parse(jwks(node)) as object;
    await sql('UPDATE signing_keys SET public_jwk = $1 WHERE kid = $2', [
      JSON.stringify(foreign.publicJwk),
      next.kid,
    ]);
    await bump();
    for (const one of [node, await started()]) {
      await one.keys.reload();
      expect(JSON.parse(jwks(one))).toEqual(before);
      expect(alarmsOf(one)).toEqual([`${next.kid} public_key_changed`]);
    }
    for (const jwk of ['"text"', '[]', '{"kty":"RSA","n":1,"e":{}}', 'null']) {
      await sql(`UPDATE signing_keys SET public_jwk = $1::jsonb WHERE kid = $2`, [jwk, next.kid]);
      await node.keys.reload();
      expect(JSON.parse(jwks(node))).toEqual(before);
    }
  });

  it('raises an alarm if its times were changed, with or without a MAC', async () => {
    const node = await started();
    const next = (await node.keyAdministration.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    for (const change of [`promote_at = now() + interval '1 day'`, 'macs = NULL', `macs = '{}'`]) {
      await sql(`UPDATE signing_keys SET ${change} WHERE kid = $1`, [next.kid]);
      await node.keys.reload();
      expect(alarmsOf(node), change).toEqual([`${next.kid} times_changed`]);
    }
    // A restart is not the first start, so it does not accept the change.
    expect(alarmsOf(await started())).toEqual([`${next.kid} times_changed`]);
  });

  it('stays distrusted, even if an older row is restored', async () => {
    const node = await started();
    const kid = await signer(node);
    const before = (await rows())[0]!;
    await node.keyAdministration.distrust(kid, NO_ORIGIN);
    for (const change of [
      'distrusted_at = NULL',
      'distrusted_at = NULL, macs = NULL',
      'distrusted_at = NULL, macs = $2::jsonb',
    ]) {
      const values = change.includes('$2') ? [kid, JSON.stringify(before['macs'])] : [kid];
      await sql(`UPDATE signing_keys SET ${change} WHERE kid = $1`, values);
      for (const one of [node, await started()]) {
        await one.keys.reload();
        expect(one.keys.publicKey(kid)).toBeUndefined();
        expect(one.keys.verificationKey(kid)).toMatchObject({ distrusted: true });
        expect(await signer(one)).not.toBe(kid);
        expect(alarmsOf(one)).toContain(`${kid} distrust_undone`);
      }
    }
  });

  it('is not imported from KEYS_DIR again after it was distrusted and its row was removed', async () => {
    const node = await started();
    const kid = await signer(node);
    const copy = join(node.config.keysDir, `${kid}.pem`);
    const pem = await readFile(copy, 'utf8');
    await node.keyAdministration.distrust(kid, NO_ORIGIN);
    await sql('DELETE FROM signing_keys');
    await mkdir(join(node.config.keysDir, 'away'));
    await writeFile(copy, pem, { mode: 0o600 });
    const again = await started({ keysDir: node.config.keysDir });
    expect(again.keys.publicKey(kid)).toBeUndefined();
    expect(await signer(again)).not.toBe(kid);
  });
});

describe('the ring while JWT_SECRET is being changed', () => {
  it('is accepted by a node with the old secret through the MACs, and by no other node', async () => {
    const outdated = await started();
    const kid = await signer(outdated);
    const changed = await started({ jwtSecret: NEW, jwtSecretPrevious: OLD });
    const next = (await changed.keyAdministration.rotate(NO_ORIGIN)).find(({ state }) => state === 'next')!;
    await insert(foreign, `now() + interval '1 minute'`);
    for (const node of [outdated, changed]) {
      await node.keys.reload();
      expect(node.keys.publicKey(kid)).toBeDefined();
      expect(node.keys.publicKey(next.kid)).toBeDefined();
      expect(node.keys.publicKey(foreign.kid)).toBeUndefined();
      expect(alarmsOf(node)).toEqual([`${foreign.kid} not_ours`]);
      expect(await signer(node)).toBe(kid);
    }
    // Without the private key, the MAC decides whether the public key is trusted.
    const row = (await rows()).find((one) => one['kid'] === next.kid)!;
    await sql('UPDATE signing_keys SET public_jwk = $1 WHERE kid = $2', [
      JSON.stringify(foreign.publicJwk),
      next.kid,
    ]);
    await outdated.keys.reload();
    expect(outdated.keys.publicKey(next.kid)).toBeUndefined();
    await sql('UPDATE signing_keys SET public_jwk = $1 WHERE kid = $2', [
      JSON.stringify(row['public_jwk']),
      next.kid,
    ]);
    await outdated.keys.reload();
    expect(outdated.keys.publicKey(next.kid)).toBeDefined();
    // The new node accepts that the old node distrusted the key.
    await outdated.keyAdministration.distrust(next.kid, NO_ORIGIN);
    await changed.keys.reload();
    expect(changed.keys.verificationKey(next.kid)).toMatchObject({ distrusted: true });
    expect(alarmsOf(changed)).toEqual([`${foreign.kid} not_ours`]);
  });

  it('is re-encrypted without foreign rows, and no longer needs the old secret', async () => {
    const kid = await signer(await started());
    await insert(foreign);
    expect(await signer(await started({ jwtSecret: NEW, jwtSecretPrevious: OLD }))).toBe(kid);
    const after = await started({ jwtSecret: NEW });
    expect(await signer(after)).toBe(kid);
    expect(alarmsOf(after)).toEqual([`${foreign.kid} not_ours`]);
  });

  it('is not re-encrypted if the old secret does not decrypt the signing key', async () => {
    const kid = await signer(await started());
    await sql('UPDATE signing_keys SET private_pem = $1', [foreign.privatePem]);
    const before = await rows();
    await expect(started({ jwtSecret: NEW, jwtSecretPrevious: OLD })).rejects.toThrow(
      `JWT_SECRET_PREVIOUS does not decrypt the key ${kid}`,
    );
    expect(await rows()).toEqual(before);
  });
});

describe('the first start after the upgrade', () => {
  /** A key as a release before row MACs wrote it. */
  function aKeyOfBefore(): StoredKey {
    const stored = encryptKey(another, OLD);
    const pem = another.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: OLD });
    return { ...stored, privatePem: pem.toString() };
  }

  it('adds MACs to the rows only once', async () => {
    const { kid } = aKeyOfBefore();
    await sql(`UPDATE service_state SET versions = '{"keys": 1}'`);
    await insert(aKeyOfBefore());
    await insert(foreign, `now() + interval '1 minute'`);
    const firstStarts: boolean[] = [];
    const one = await aNode(db.url, { jwtSecret: OLD });
    nodes.push(one);
    one.opener.onOpen(async (_, firstStart) => void firstStarts.push(firstStart));
    await open(one);
    await open(one);
    expect(firstStarts).toEqual([true, false]);
    expect(one.keys.publicKey(kid)).toBeDefined();
    expect(alarmsOf(one)).toEqual([`${foreign.kid} not_ours`]);
    const row = (await rows()).find((each) => each['kid'] === kid)!;
    expect(row['macs']).not.toBeNull();
    expect(decryptKey(row['private_pem'] as string, OLD)).toBeDefined();
    await sql('UPDATE signing_keys SET macs = NULL');
    await open(one);
    expect(firstStarts).toEqual([true, false, false]);
    expect(alarmsOf(one)).toContain(`${kid} times_changed`);
  });
});
