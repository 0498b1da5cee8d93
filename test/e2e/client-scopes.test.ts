import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load-config.js';
import { RowMacs } from '../../src/common/crypto/row-macs.js';
import { TEST_SECRET, createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sql } from '../helpers/client.js';
import type { Reply } from '../helpers/client.js';

interface Client {
  readonly client_id: string;
  readonly client_secret: string;
  readonly scopes: readonly string[];
}

let node: TestApp;
let root: ReturnType<typeof bearer>;
beforeAll(async () => {
  node = await createTestApp();
  root = bearer((await login(node)).access_token);
});
afterAll(() => node.close());

async function aClient(scopes?: readonly string[]): Promise<Client> {
  const reply = await post(node, '/admin/clients', { name: 'billing', scopes }, root);
  expect(reply.statusCode).toBe(201);
  return reply.json<Client>();
}
const change = (id: string, payload: object, as = root) =>
  node.app.inject({ method: 'PATCH', url: `/admin/clients/${id}`, payload, ...as });
function call(path: 'introspect' | 'revoke', { client_id, client_secret }: Client, token = 'x') {
  return node.app.inject({
    method: 'POST',
    url: `/oauth/${path}`,
    headers: {
      authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    payload: `token=${encodeURIComponent(token)}`,
  });
}
const outcome = (reply: Reply) => [reply.statusCode, codeOf(reply)];

describe('the scopes of a service client', () => {
  it('are introspect and revoke unless others are given', async () => {
    const client = await aClient();
    expect(client.scopes).toEqual(['introspect', 'revoke']);
    expect((await call('introspect', client)).statusCode).toBe(200);
    expect((await call('revoke', client)).statusCode).toBe(200);
  });

  it('are needed for each call: without one, the call gets 403 insufficient_scope and changes nothing', async () => {
    const tokens = await login(node, await aUser(node));
    const client = await aClient(['users', 'introspect']);
    expect(client.scopes).toEqual(['introspect', 'users']);
    expect((await call('introspect', client, tokens.access_token)).json()).toMatchObject({ active: true });
    const refused = await call('revoke', client, tokens.refresh_token);
    expect(outcome(refused)).toEqual([403, 'insufficient_scope']);
    expect(refused.json()).toMatchObject({ error: 'insufficient_scope' });
    expect(refused.headers['www-authenticate']).toBe(
      'Bearer realm="tandem", error="insufficient_scope", scope="revoke"',
    );
    expect((await get(node, '/auth/verify', tokens.access_token)).statusCode).toBe(204);
  });

  it('do not tell a caller with a wrong secret anything', async () => {
    const client = { ...(await aClient(['users'])), client_secret: 'wrong' };
    expect(outcome(await call('introspect', client))).toEqual([401, 'invalid_client']);
  });

  it('can be replaced; the next call needs the new ones, and the audit trail says who did it', async () => {
    const client = await aClient(['sessions']);
    expect(outcome(await call('introspect', client))).toEqual([403, 'insufficient_scope']);
    const changed = await change(client.client_id, { scopes: ['revoke', 'introspect'] });
    expect([changed.statusCode, changed.json<Client>().scopes]).toEqual([200, ['introspect', 'revoke']]);
    expect(changed.body).not.toContain('secret"');
    expect((await call('introspect', client)).statusCode).toBe(200);
    const listed = (await get(node, '/admin/clients?limit=100', root.headers.authorization.slice(7))).json<{
      clients: { client_id: string; scopes: string[] }[];
    }>().clients;
    expect(listed.find(({ client_id }) => client_id === client.client_id)?.scopes).toEqual([
      'introspect',
      'revoke',
    ]);
    const events = await sql<{ detail: { scopes: string[] }; actor_id: string | null }>(
      node,
      `SELECT detail, actor_id FROM audit_events WHERE event = 'client' AND cause = 'scopes' AND detail ->> 'client_id' = $1`,
      [client.client_id],
    );
    expect(events).toMatchObject([
      { detail: { scopes: ['introspect', 'revoke'] }, actor_id: expect.any(String) },
    ]);
  });

  it.each([
    ['no scope', { scopes: [] }],
    ['an unknown scope', { scopes: ['introspect', 'admin'] }],
    ['a repeated scope', { scopes: ['users', 'users'] }],
    ['a text', { scopes: 'users' }],
    ['null', { scopes: null }],
    ['a number in the list', { scopes: [1] }],
    ['a list in the list', { scopes: [['users']] }],
    ['another field', { scopes: ['users'], name: 'x', disabled: false }],
  ])('cannot be %s', async (_, payload) => {
    const client = await aClient();
    expect(outcome(await change(client.client_id, payload))).toEqual([400, 'validation_failed']);
    expect((await call('introspect', client)).statusCode).toBe(200);
  });

  it('can be changed by administrators only, for active clients only', async () => {
    const client = await aClient();
    const user = bearer((await login(node, await aUser(node))).access_token);
    const scopes = ['users'];
    expect(outcome(await change(client.client_id, { scopes }, user))).toEqual([403, 'forbidden']);
    expect(outcome(await change(randomUUID(), { scopes }))).toEqual([404, 'not_found']);
    expect((await change('nonsense', { scopes })).statusCode).toBe(400);
    await node.app.inject({ method: 'DELETE', url: `/admin/clients/${client.client_id}`, ...root });
    expect(outcome(await change(client.client_id, { scopes }))).toEqual([404, 'not_found']);
  });
});

describe('somebody who can write to the database, but does not have JWT_SECRET,', () => {
  const write = (client: Client, scopes: readonly string[], macs?: object) =>
    sql(node, 'UPDATE oauth_clients SET scopes = $2, macs = coalesce($3::jsonb, macs) WHERE id = $1', [
      client.client_id,
      scopes,
      macs === undefined ? null : JSON.stringify(macs),
    ]);
  const macsOf = async (client: Client) =>
    (
      await sql<{ macs: object }>(node, 'SELECT macs FROM oauth_clients WHERE id = $1', [client.client_id])
    )[0]!.macs;

  it('cannot add a scope to a client, remove one or change their order', async () => {
    const [common, special] = [await aClient(), await aClient(['introspect', 'users'])];
    for (const [client, scopes] of [
      [common, ['introspect', 'revoke', 'users']],
      [common, ['introspect']],
      [common, []],
      [common, ['revoke', 'introspect']],
      [special, ['introspect', 'revoke', 'users']],
      [special, ['introspect', 'revoke']],
      [special, ['users', 'introspect']],
    ] as const) {
      await write(client, scopes);
      expect(outcome(await call('introspect', client)), scopes.join(' ')).toEqual([401, 'invalid_client']);
      await write(client, client.scopes);
      expect((await call('introspect', client)).statusCode).toBe(200);
    }
  });

  it('cannot use the MAC of a release before scopes for other scopes than that release allowed', async () => {
    const client = await aClient();
    const [row] = await sql<{ hash: Buffer }>(
      node,
      'SELECT secret_hash AS hash FROM oauth_clients WHERE id = $1',
      [client.client_id],
    );
    const config = loadConfig({ JWT_SECRET: TEST_SECRET });
    const old = new RowMacs('oauth_clients', config).make([
      client.client_id,
      row!.hash.toString('hex'),
      false,
    ]);
    await write(client, ['introspect', 'revoke'], old);
    expect((await call('introspect', client)).statusCode).toBe(200);
    await write(client, ['introspect', 'revoke', 'users'], old);
    expect(outcome(await call('introspect', client))).toEqual([401, 'invalid_client']);
  });

  it('gets no scope vouched for when an administrator renews the secret or sets the scopes', async () => {
    const client = await aClient(['introspect', 'sessions']);
    const before = await macsOf(client);
    await write(client, ['introspect', 'users']);
    expect(outcome(await change(client.client_id, { scopes: ['introspect', 'sessions'] }))).toEqual([
      409,
      'client_not_trusted',
    ]);
    expect(await macsOf(client)).toEqual(before);
    const renewed = await post(node, `/admin/clients/${client.client_id}/secret`, undefined, root);
    expect(renewed.json<Client>().scopes).toEqual(['introspect', 'revoke']);
    expect((await call('introspect', renewed.json<Client>())).statusCode).toBe(200);
  });

  it('does not keep an honest client from its scopes when its secret is renewed', async () => {
    const client = await aClient(['introspect', 'sessions']);
    const renewed = await post(node, `/admin/clients/${client.client_id}/secret`, undefined, root);
    expect(renewed.json<Client>().scopes).toEqual(['introspect', 'sessions']);
    expect((await call('introspect', renewed.json<Client>())).statusCode).toBe(200);
  });
});
