import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { SignJWT, decodeJwt } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServiceChecks } from '../../src/admin/cli/doctor/service.checks.js';
import { encryptKey } from '../../src/tokens/keys/key-material.js';
import { KeyRingService } from '../../src/tokens/keys/key-ring.service.js';
import { TEST_SECRET, createTestApp } from '../helpers/app.js';
import type { TestApp, TestAppOptions } from '../helpers/app.js';
import { bearer, get, login, post, sql, until, verify } from '../helpers/client.js';

let one: TestApp;
let others: TestApp[];
beforeEach(async () => {
  one = await createTestApp();
  others = [];
});
afterEach(async () => {
  for (const other of others) await other.close();
  await one.close();
});

async function another(env: TestAppOptions['env'] = {}): Promise<TestApp> {
  const node = await createTestApp({ db: one.db, env });
  others.push(node);
  return node;
}
const alarms = async (node: TestApp, table: string) =>
  new RegExp(`^tandem_row_alarms\\{table="${table}"\\} (\\d+)$`, 'm').exec(
    (await get(node, '/metrics')).body,
  )?.[1];
const doctor = async (node: TestApp) =>
  (await node.app.get(ServiceChecks, { strict: false }).examine()).filter(({ check }) => check === 'rows');
const audited = async (event: string) =>
  sql<{ id: string }>(
    one,
    `SELECT detail ->> 'id' AS id FROM audit_events WHERE event = $1 AND cause = 'refused'`,
    [event],
  );

describe('a signing key that somebody wrote into the database', () => {
  it('is neither accepted nor published, and is reported by metrics, audit and doctor', async () => {
    const two = await another();
    const { access_token } = await login(one);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { kid, publicJwk, privatePem } = encryptKey(privateKey, 'a secret of somebody else');
    expect(await doctor(one)).toMatchObject([{ level: 'ok' }]);
    await sql(
      one,
      `INSERT INTO signing_keys (kid, public_jwk, private_pem, promote_at) VALUES ($1, $2, $3, now() + interval '1 hour')`,
      [kid, JSON.stringify(publicJwk), privatePem],
    );
    await sql(one, `UPDATE service_state SET versions = jsonb_set(versions, '{keys}', '1000')`);
    const forged = await new SignJWT(decodeJwt(access_token))
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid })
      .sign(privateKey);
    for (const node of [one, two]) {
      await until(async () => (await alarms(node, 'signing_keys')) === '1', 2_000);
      expect(await verify(node, forged)).toBe('401 token_invalid');
      expect((await get(node, '/.well-known/jwks.json')).body).not.toContain(kid);
      expect(await doctor(node)).toMatchObject([{ level: 'fail', message: expect.stringContaining(kid) }]);
    }
    await until(async () => (await audited('key')).length > 0, 2_000);
    expect(await audited('key')).toEqual([{ id: kid }]);
    const listed = (await get(one, '/admin/keys', access_token)).json<{ keys: object[] }>().keys;
    expect(listed).toContainEqual(expect.objectContaining({ kid, state: 'refused' }));
  });
});

describe('a service client that somebody wrote into the database', () => {
  const secret = `tandem_cs_${randomBytes(32).toString('base64url')}`;
  const hash = createHash('sha256').update(secret).digest();

  async function ask(node: TestApp, id: string, with_: string): Promise<number> {
    const basic = Buffer.from(`${id}:${with_}`).toString('base64');
    const reply = await node.app.inject({
      method: 'POST',
      url: '/oauth/introspect',
      headers: { authorization: `Basic ${basic}`, 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'token=x',
    });
    return reply.statusCode;
  }
  async function registered(): Promise<{
    client_id: string;
    client_secret: string;
    admin: ReturnType<typeof bearer>;
  }> {
    const admin = bearer((await login(one)).access_token);
    const made = await post(one, '/admin/clients', { name: 'billing' }, admin);
    return { ...made.json<{ client_id: string; client_secret: string }>(), admin };
  }

  it('is refused, with an alarm until it is disabled', async () => {
    const { admin } = await registered();
    const id = randomUUID();
    const insert = 'INSERT INTO oauth_clients (id, name, secret_hash, macs) VALUES ($1, $2, $3, $4)';
    await sql(one, insert, [id, 'mine', hash, null]);
    expect(await ask(one, id, secret)).toBe(401);
    expect(await alarms(one, 'oauth_clients')).toBe('1');
    await until(async () => (await audited('client')).length > 0, 2_000);
    // A restart is not the first start, so it does not accept the row.
    const two = await another();
    expect(await ask(two, id, secret)).toBe(401);
    expect(await doctor(two)).toMatchObject([{ level: 'fail', message: expect.stringContaining(id) }]);
    expect(await audited('client')).toEqual([{ id }]);
    const removed = await one.app.inject({ method: 'DELETE', url: `/admin/clients/${id}`, ...admin });
    expect(removed.statusCode).toBe(204);
    expect(await alarms(one, 'oauth_clients')).toBe('0');
  });

  it('is refused with the MACs of another client, and so is a changed client of ours', async () => {
    const { client_id: id, client_secret, admin } = await registered();
    expect(await ask(one, id, client_secret)).toBe(200);
    const [{ macs }] = (await sql<{ macs: object }>(one, 'SELECT macs FROM oauth_clients')) as [
      { macs: object },
    ];
    const copy = randomUUID();
    const insert = 'INSERT INTO oauth_clients (id, name, secret_hash, macs) VALUES ($1, $2, $3, $4)';
    await sql(one, insert, [copy, 'copy', hash, JSON.stringify(macs)]);
    expect(await ask(one, copy, secret)).toBe(401);
    await sql(one, 'UPDATE oauth_clients SET secret_hash = $1 WHERE id = $2', [hash, id]);
    expect(await ask(one, id, secret)).toBe(401);
    for (const forged of ['null', '[]', '"text"', '{"x": {}}', '{}']) {
      await sql(one, 'UPDATE oauth_clients SET macs = $1::jsonb WHERE id = $2', [forged, id]);
      expect(await ask(one, id, secret)).toBe(401);
    }
    const renewed = await post(one, `/admin/clients/${id}/secret`, undefined, admin);
    expect(await ask(one, id, renewed.json<{ client_secret: string }>().client_secret)).toBe(200);
    await one.app.inject({ method: 'DELETE', url: `/admin/clients/${id}`, ...admin });
    await sql(one, 'UPDATE oauth_clients SET disabled_at = NULL');
    expect(await ask(one, id, renewed.json<{ client_secret: string }>().client_secret)).toBe(401);
  });

  it('is refused, while clients from before the upgrade get their MACs at the first start', async () => {
    const { client_id: id, client_secret } = await registered();
    // As the previous release wrote them.
    const [key] = await sql<{ private_pem: string }>(one, 'SELECT private_pem FROM signing_keys');
    const old = createPrivateKey({ key: key!.private_pem, passphrase: TEST_SECRET });
    const pem = old.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: TEST_SECRET });
    await sql(one, 'UPDATE signing_keys SET private_pem = $1, macs = NULL', [pem]);
    await sql(one, 'UPDATE oauth_clients SET macs = NULL');
    await sql(one, `UPDATE service_state SET macs = '{}', token_expiry = NULL, admin_role = NULL`);
    const two = await another();
    expect(await doctor(two)).toMatchObject([{ level: 'ok' }]);
    for (const node of [one, two]) expect(await ask(node, id, client_secret)).toBe(200);
    // JWT_SECRET changes, and later JWT_SECRET_PREVIOUS is removed.
    const next = randomBytes(32).toString('base64url');
    const changed = await another({ JWT_SECRET: next, JWT_SECRET_PREVIOUS: TEST_SECRET });
    for (const node of [one, two, changed]) expect(await ask(node, id, client_secret)).toBe(200);
    const after = await another({ JWT_SECRET: next });
    expect(await ask(after, id, client_secret)).toBe(200);
    expect(await doctor(after)).toMatchObject([{ level: 'ok' }]);
  });
});

describe('the state of the service', () => {
  const signed = (node: TestApp, claims: object, life: number) => {
    const iat = Math.floor(Date.now() / 1000) - 1;
    return node.app.get(KeyRingService).sign({ ...claims, iat, exp: iat + life }, Date.now());
  };

  it('keeps the greatest TOKEN_EXPIRY, which a row without a MAC cannot raise', async () => {
    const claims = decodeJwt((await login(one)).access_token);
    expect(await verify(one, await signed(one, claims, 900))).toBe('204');
    const longer = await signed(one, claims, 3_600);
    expect(await verify(one, longer)).toBe('401 token_invalid');
    await sql(
      one,
      `UPDATE service_state SET token_expiry = 86400, versions = versions || '{"token_expiry": 50, "keys": 50}'`,
    );
    await until(async () => (await alarms(one, 'service_state')) === '1', 2_000);
    expect(await verify(one, longer)).toBe('401 token_invalid');
    const [two] = [await another({ TOKEN_EXPIRY: '3600' })];
    const { access_token } = await login(two);
    for (const node of [one, two]) {
      expect(await verify(node, access_token)).toBe('204');
      expect(await verify(node, longer)).toBe('204');
      expect(await verify(node, await signed(one, claims, 3_601))).toBe('401 token_invalid');
    }
    // The value was configured before, so tokens from then are accepted.
    expect(await verify(await another(), access_token)).toBe('204');
    expect(await verify(await another({ TOKEN_EXPIRY: '60' }), access_token)).toBe('204');
  });

  it('ignores an issuer that somebody else wrote', async () => {
    const fresh = { JWT_ISSUER: '', PORT: '5999' };
    const first = await another(fresh);
    const metadata = async (node: TestApp) =>
      (await get(node, '/.well-known/oauth-authorization-server')).json<{ issuer: string }>().issuer;
    expect(await metadata(first)).toBe('http://127.0.0.1:5999');
    expect(await metadata(await another({ JWT_ISSUER: '', PORT: '5998' }))).toBe('http://127.0.0.1:5999');
    await sql(one, `UPDATE service_state SET issuer = 'https://evil.example'`);
    await expect(another(fresh)).rejects.toThrow(/issuer.*JWT_ISSUER/);
    await sql(one, `UPDATE service_state SET macs = macs - 'issuer'`);
    await expect(another(fresh)).rejects.toThrow(/issuer.*JWT_ISSUER/);
    expect(await metadata(await another({ JWT_ISSUER: 'http://tandem.test' }))).toBe('http://tandem.test');
  });
});
