import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { unavailable } from '../../src/common/common.errors.js';
import { ChangeFeed } from '../../src/tokens/feed/change-feed.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  age,
  bearer,
  codeOf,
  get,
  login,
  post,
  refresh,
  sidOf,
  sql,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Reply, Tokens } from '../helpers/client.js';

interface Client {
  readonly client_id: string;
  readonly client_secret: string;
}

describe('the endpoints for other services', () => {
  let node: TestApp;
  let root: string;
  let client: Client;
  const others: TestApp[] = [];

  /** Another node on the same database, until the end. */
  async function another(env: Record<string, string>): Promise<TestApp> {
    const one = await createTestApp({ db: node.db, env });
    others.push(one);
    return one;
  }

  beforeAll(async () => {
    node = await createTestApp();
    root = (await login(node)).access_token;
    client = await aClient();
  });
  afterAll(async () => {
    for (const one of [...others, node]) await one.close();
  });

  const asRoot = () => bearer(root);
  async function aClient(name = 'billing'): Promise<Client> {
    const reply = await post(node, '/admin/clients', { name }, asRoot());
    expect(reply.statusCode).toBe(201);
    return reply.json<Client>();
  }
  const basic = ({ client_id, client_secret }: Client) => ({
    authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
  });
  function form(path: string, fields: Record<string, string> | string, headers: Record<string, string> = {}) {
    return node.app.inject({
      method: 'POST',
      url: `/oauth/${path}`,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      payload: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
    });
  }
  const introspect = async (token: string) => {
    const reply = await form('introspect', { token }, basic(client));
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    return reply.json<Record<string, unknown>>();
  };
  const errorOf = (reply: Reply) => [reply.statusCode, reply.json<{ error?: string }>().error, codeOf(reply)];

  describe('introspection', () => {
    it('returns the claims of a valid access token', async () => {
      const user = await aUser(node);
      const { access_token } = await login(node, user);
      const claims = JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString()) as object;
      expect(await introspect(access_token)).toEqual({
        active: true,
        token_type: 'Bearer',
        token_use: 'access_token',
        ...claims,
      });
    });

    it('accepts the current refresh token of a family, and marks it as a refresh token', async () => {
      const user = await aUser(node);
      const first = await login(node, user);
      expect(await introspect(first.refresh_token)).toEqual({
        active: true,
        token_use: 'refresh_token',
        iss: 'http://tandem.test',
        sub: user.id,
        sid: sidOf(first),
        exp: expect.any(Number),
      });
      const second = await refresh(node, first.refresh_token);
      expect(await introspect(first.refresh_token)).toEqual({ active: false });
      expect(await introspect(second.refresh_token)).toMatchObject({ active: true });
    });

    it('of an access token confirms that the client received its refresh token', async () => {
      const first = await login(node, await aUser(node));
      const { access_token } = await refresh(node, first.refresh_token);
      const confirmed = async () =>
        (
          await sql<{ n: number }>(
            node,
            'SELECT confirmed_generation AS n FROM refresh_tokens WHERE id = $1',
            [sidOf(first)],
          )
        )[0]!.n;
      expect(await confirmed()).toBe(0);
      await introspect(access_token);
      await until(async () => (await confirmed()) === 1, 5_000);
    });

    it('answers only that every other token is inactive', async () => {
      const tokens = await login(node, await aUser(node));
      const changed = (text: string) => text.slice(0, -2) + (text.endsWith('AA') ? 'BB' : 'AA');
      const ended = await login(node, await aUser(node));
      await post(node, '/auth/logout', undefined, bearer(ended.access_token));
      const expired = await login(node, await aUser(node));
      await sql(node, 'UPDATE refresh_tokens SET expires_at = now() WHERE id = $1', [sidOf(expired)]);
      const none = [
        'nonsense',
        '\u{1f9a6}',
        'a.b.c',
        'x'.repeat(50_000),
        changed(tokens.access_token),
        changed(tokens.refresh_token),
        ended.access_token,
        ended.refresh_token,
        expired.refresh_token,
        client.client_secret,
      ];
      for (const token of none) expect(await introspect(token), token).toEqual({ active: false });
    });

    it('calls an expired access token inactive', async () => {
      const brief = await another({ TOKEN_EXPIRY: '1', CLOCK_TOLERANCE: '0' });
      const { access_token } = await login(brief, await aUser(node));
      await expect.poll(() => introspect(access_token)).toEqual({ active: false });
    });

    it('answers 503 without fresh revocations', async () => {
      const { access_token } = await login(node, await aUser(node));
      const feed = node.app.get(ChangeFeed);
      const stale = vi.spyOn(feed, 'isFresh').mockReturnValue(false);
      const refused = vi.spyOn(feed, 'untilFresh').mockRejectedValue(unavailable(new Error('gone')));
      const reply = await form('introspect', { token: access_token }, basic(client));
      stale.mockRestore();
      refused.mockRestore();
      expect(errorOf(reply)).toEqual([503, 'temporarily_unavailable', 'service_unavailable']);
      expect(reply.headers['retry-after']).toBe('1');
    });
  });

  describe('revocation', () => {
    it.each(['access_token', 'refresh_token'] as const)(
      'revokes the family of an %s, with one audit event',
      async (kind) => {
        const user = await aUser(node);
        const [tokens, other] = [await login(node, user), await login(node, user)];
        for (let again = 0; again < 2; again++) {
          const reply = await form(
            'revoke',
            { token: tokens[kind], token_type_hint: 'nonsense' },
            basic(client),
          );
          expect([reply.statusCode, reply.body]).toEqual([200, '']);
        }
        expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
        expect(codeOf(await tryRefresh(node, tokens.refresh_token))).toBe('refresh_token_revoked');
        expect(await verify(node, other.access_token)).toBe('204');
        const events = await sql(
          node,
          "SELECT cause, actor_id, sid FROM audit_events WHERE user_id = $1 AND event = 'revoke'",
          [user.id],
        );
        expect(events).toEqual([{ cause: 'revoke', actor_id: client.client_id, sid: sidOf(tokens) }]);
      },
    );

    it('revokes the family of a used refresh token, and ignores other text', async () => {
      const first = await login(node, await aUser(node));
      const second = await refresh(node, first.refresh_token);
      for (const token of ['nonsense', `${first.refresh_token.slice(0, -2)}AA`]) {
        expect((await form('revoke', { token }, basic(client))).statusCode).toBe(200);
      }
      expect(await verify(node, second.access_token)).toBe('204');
      await form('revoke', { token: first.refresh_token }, basic(client));
      expect(await verify(node, second.access_token)).toBe('401 token_revoked');
    });
  });

  describe('a client', () => {
    it('authenticates with Basic or in the form, and in no other way', async () => {
      const token = 'nonsense';
      const { client_id, client_secret } = client;
      const other = await aClient('other');
      expect((await form('introspect', { token, client_id, client_secret })).json()).toEqual({
        active: false,
      });
      expect((await form('introspect', { token, client_id }, basic(client))).statusCode).toBe(200);
      const wrong: [Record<string, string>, Record<string, string>][] = [
        [{}, {}],
        [{ client_id }, {}],
        [{ client_id, client_secret: other.client_secret }, {}],
        [{ client_id, client_secret: `${client_secret}x` }, {}],
        [{ client_id: client_id.toUpperCase(), client_secret }, {}],
        [{ client_id: randomUUID(), client_secret }, {}],
        [{ client_id: 'nul\0', client_secret }, {}],
        [{}, bearer(root).headers],
        [{}, { authorization: 'Basic' }],
        [{}, { authorization: 'Basic !' }],
        [{}, { authorization: `Basic ${Buffer.from('no colon').toString('base64')}` }],
        [{}, { authorization: `Basic ${Buffer.from('%zz:%zz').toString('base64')}` }],
        [{}, basic({ client_id, client_secret: other.client_secret })],
      ];
      for (const [fields, headers] of wrong) {
        for (const path of ['introspect', 'revoke']) {
          const reply = await form(path, { token: root, ...fields }, headers);
          expect(errorOf(reply), JSON.stringify([fields, headers])).toEqual([
            401,
            'invalid_client',
            'invalid_client',
          ]);
          expect(reply.headers['www-authenticate']).toBe('Bearer realm="tandem", Basic realm="tandem"');
        }
      }
      expect(await verify(node, root)).toBe('204');
      const two = await form('introspect', { token, client_id, client_secret }, basic(client));
      expect(errorOf(two)).toEqual([400, 'invalid_request', 'invalid_request']);
      const both = await form('introspect', { token, client_id: other.client_id }, basic(client));
      expect(errorOf(both)).toEqual([400, 'invalid_request', 'invalid_request']);
    });

    it('learns of a wrong call only if it is authenticated', async () => {
      for (const body of ['', 'token=a&token=b', 'token=', 'token_type_hint=access_token']) {
        const known = await form('introspect', body, basic(client));
        expect(errorOf(known), body).toEqual([400, 'invalid_request', 'invalid_request']);
      }
      expect((await form('introspect', '')).statusCode).toBe(401);
    });

    it('sends forms to these endpoints only', async () => {
      const json = await post(node, '/oauth/introspect', { token: root }, { headers: basic(client) });
      expect(errorOf(json)).toEqual([415, 'invalid_request', 'unsupported_media_type']);
      for (const url of ['/auth/login', '/auth/refresh', '/api/login', '/nothing']) {
        const reply = await node.app.inject({
          method: 'POST',
          url,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          payload: 'username=root&password=x',
        });
        expect(reply.statusCode, url).toBe(url === '/nothing' ? reply.statusCode : 415);
        expect(reply.statusCode, url).toBeLessThan(500);
      }
      for (const payload of [Buffer.from([0xff, 0xfe]), Buffer.alloc(70_000, 0x61)]) {
        const reply = await node.app.inject({
          method: 'POST',
          url: '/oauth/token',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          payload,
        });
        expect([400, 413]).toContain(reply.statusCode);
      }
    });

    it('gets 429 from an address with too many failures, and from no other address', async () => {
      const limited = await another({ AUTH_RATE_LIMIT: '3', TRUST_PROXY: '127.0.0.1' });
      const attempt = (secret: string, ip: string) =>
        limited.app.inject({
          method: 'POST',
          url: '/oauth/introspect',
          headers: {
            'content-type': 'application/x-www-form-urlencoded',
            'x-forwarded-for': ip,
            ...basic({ ...client, client_secret: secret }),
          },
          payload: 'token=x',
        });
      const statuses: number[] = [];
      for (let i = 0; i < 5; i++) statuses.push((await attempt('wrong', '192.0.2.1')).statusCode);
      expect(statuses).toEqual([401, 401, 401, 429, 429]);
      expect(errorOf(await attempt('wrong', '192.0.2.1'))).toEqual([
        429,
        'temporarily_unavailable',
        'rate_limited',
      ]);
      expect((await attempt(client.client_secret, '192.0.2.1')).statusCode).toBe(200);
      expect((await attempt('wrong', '192.0.2.2')).statusCode).toBe(401);
    });
  });

  describe('the grant refresh_token', () => {
    const grant = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
      form('token', { grant_type: 'refresh_token', ...fields }, headers);

    it('refreshes for public and registered clients, and sets no cookie', async () => {
      let { refresh_token } = await login(node, await aUser(node));
      const { client_id, client_secret } = client;
      for (const [fields, headers] of [
        [{}, {}],
        [{ client_id: 'a-mobile-app' }, {}],
        [{ client_id, client_secret }, {}],
        [{}, basic(client)],
      ] as const) {
        const reply = await grant({ refresh_token, ...fields }, headers);
        expect(reply.statusCode).toBe(200);
        expect(reply.json()).toEqual({
          access_token: expect.any(String),
          refresh_token: expect.stringMatching(/^tandem_rt_/),
          token_type: 'Bearer',
          expires_in: 900,
        });
        expect(reply.headers).toMatchObject({ 'cache-control': 'no-store' });
        expect(reply.headers['set-cookie']).toBeUndefined();
        const next = reply.json<Tokens>();
        expect(await verify(node, next.access_token)).toBe('204');
        expect(next.refresh_token).not.toBe(refresh_token);
        refresh_token = next.refresh_token;
      }
    });

    it('returns the same successor to simultaneous calls at both endpoints', async () => {
      const { refresh_token } = await login(node, await aUser(node));
      const replies = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          i % 2 === 0 ? grant({ refresh_token }) : tryRefresh(node, refresh_token),
        ),
      );
      expect(new Set(replies.map((reply) => reply.json<Tokens>().refresh_token)).size).toBe(1);
    });

    it('refuses as RFC 6749 requires, and revokes a family whose token was reused', async () => {
      const first = await login(node, await aUser(node));
      const second = await refresh(node, first.refresh_token);
      const third = await refresh(node, second.refresh_token);
      await age(node, sidOf(first), 100_000);
      const refusals: [Promise<Reply>, unknown[]][] = [
        [grant({ refresh_token: first.refresh_token }), [400, 'invalid_grant', 'refresh_token_reused']],
        [grant({ refresh_token: 'nonsense' }), [400, 'invalid_grant', 'refresh_token_invalid']],
        [grant({}), [400, 'invalid_request', 'invalid_request']],
        [grant({ refresh_token: 'x', scope: 'openid' }), [400, 'invalid_scope', 'invalid_scope']],
        [form('token', { refresh_token: 'x' }), [400, 'invalid_request', 'invalid_request']],
        [
          form('token', { grant_type: 'password', username: 'root', password: 'x' }),
          [400, 'unsupported_grant_type', 'unsupported_grant_type'],
        ],
        [
          grant({ refresh_token: 'x', client_id: client.client_id }),
          [401, 'invalid_client', 'invalid_client'],
        ],
        // The same UUID in other spellings is not the id of a public client.
        ...[client.client_id.toUpperCase(), ` ${client.client_id} `].map(
          (client_id): [Promise<Reply>, unknown[]] => [
            grant({ refresh_token: 'x', client_id }),
            [401, 'invalid_client', 'invalid_client'],
          ],
        ),
        [
          grant({ refresh_token: 'x', client_id: 'app', client_secret: 'wrong' }),
          [401, 'invalid_client', 'invalid_client'],
        ],
      ];
      for (const [reply, expected] of refusals) {
        expect(errorOf(await reply)).toEqual(expected);
        expect((await reply).headers['cache-control']).toBe('no-store');
        if (expected[0] === 400) expect((await reply).headers['www-authenticate']).toBeUndefined();
      }
      expect(errorOf(await grant({ refresh_token: third.refresh_token }))).toEqual([
        400,
        'invalid_grant',
        'refresh_token_revoked',
      ]);
    });

    it('answers errors as JSON if the client asks for JSON, and otherwise as problems', async () => {
      const asked = await grant({ refresh_token: 'x' }, { accept: 'application/json' });
      expect(asked.headers['content-type']).toBe('application/json; charset=utf-8');
      const plain = await grant({ refresh_token: 'x' });
      expect(plain.headers['content-type']).toBe('application/problem+json; charset=utf-8');
      for (const reply of [asked, plain]) {
        expect(reply.json()).toMatchObject({
          error: 'invalid_grant',
          error_description: 'The refresh token is not valid',
          code: 'refresh_token_invalid',
          status: 400,
        });
      }
    });
  });

  describe('the clients, for administrators', () => {
    it('are listed in pages without secrets, and stored data does not authenticate anybody', async () => {
      const made = await aClient('listed');
      const seen: Record<string, unknown>[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const reply = await get(node, `/admin/clients?limit=1${cursor && `&cursor=${cursor}`}`, root);
        const page = reply.json<{ clients: Record<string, unknown>[]; next_cursor: string | null }>();
        seen.push(...page.clients);
        cursor = page.next_cursor;
      }
      const mine = seen.filter(({ id }) => id === made.client_id);
      expect(mine).toEqual([
        {
          id: made.client_id,
          client_id: made.client_id,
          name: 'listed',
          scopes: ['introspect', 'revoke'],
          created_at: expect.any(String),
          secret_at: expect.any(String),
          disabled: false,
        },
      ]);
      const rows = await sql<Record<string, unknown>>(node, 'SELECT * FROM oauth_clients');
      const events = await sql(node, "SELECT * FROM audit_events WHERE event = 'client'");
      for (const secret of [client.client_secret, made.client_secret])
        expect(JSON.stringify([rows, events])).not.toContain(secret);
    });

    it('get a new secret that replaces the old one, and stay refused once disabled', async () => {
      const made = await aClient();
      const works = async (one: Client) =>
        (await form('introspect', { token: 'x' }, basic(one))).statusCode === 200;
      const renewed = await post(node, `/admin/clients/${made.client_id}/secret`, undefined, asRoot());
      expect(renewed.statusCode).toBe(200);
      const next = renewed.json<Client>();
      expect([await works(made), await works(next)]).toEqual([false, true]);
      const disable = () =>
        node.app.inject({ method: 'DELETE', url: `/admin/clients/${made.client_id}`, ...asRoot() });
      expect([(await disable()).statusCode, (await disable()).statusCode]).toEqual([204, 204]);
      expect(await works(next)).toBe(false);
      // Not a public client either.
      const posed = await form('token', {
        grant_type: 'refresh_token',
        refresh_token: 'x',
        client_id: made.client_id,
      });
      expect(errorOf(posed)).toEqual([401, 'invalid_client', 'invalid_client']);
      const again = await post(node, `/admin/clients/${made.client_id}/secret`, undefined, asRoot());
      expect([again.statusCode, codeOf(again)]).toEqual([404, 'not_found']);
      const events = await sql(
        node,
        "SELECT cause FROM audit_events WHERE event = 'client' AND detail ->> 'client_id' = $1 ORDER BY id",
        [made.client_id],
      );
      expect(events).toMatchObject([{ cause: 'created' }, { cause: 'renewed' }, { cause: 'disabled' }, {}]);
      const listed = await get(node, '/admin/audit?event=client', root);
      expect(listed.json<{ events: unknown[] }>().events[0]).toMatchObject({ event: 'client' });
    });

    it('are visible to administrators only', async () => {
      const user = bearer((await login(node, await aUser(node))).access_token);
      for (const [reply, status] of [
        [post(node, '/admin/clients', { name: 'x' }, user), 403],
        [post(node, '/admin/clients', { name: 'x' }), 401],
        [post(node, '/admin/clients', { name: '' }, asRoot()), 400],
        [post(node, '/admin/clients', { name: ' ' }, asRoot()), 400],
        [post(node, '/admin/clients', { name: 'x'.repeat(129) }, asRoot()), 400],
        [post(node, '/admin/clients', { name: 'x', secret: 'y' }, asRoot()), 400],
        [post(node, '/admin/clients/nonsense/secret', undefined, asRoot()), 400],
        [post(node, `/admin/clients/${randomUUID()}/secret`, undefined, asRoot()), 404],
        [get(node, '/admin/clients?cursor=bm9uc2Vuc2U', root), 400],
      ] as const)
        expect((await reply).statusCode).toBe(status);
    });
  });
});
