import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, login, sql } from '../../helpers/client.js';
import { exchange } from '../../helpers/http.js';
import type { RawResponse } from '../../helpers/http.js';
import { envoyQuestion, expectedAnswer, traefikQuestion } from '../../helpers/proxies/described-proxies.js';
import { HOSTILE_REQUESTS, ODD_NAMES, bytesOf, expectedOf } from '../../helpers/proxies/hostile-requests.js';
import type { HostileRequest } from '../../helpers/proxies/hostile-requests.js';
import { ProtectedProduct, RUNNING } from '../../helpers/proxies/protected-product.js';
import type { Identity } from '../../helpers/proxies/protected-product.js';
import type { ProxyName } from '../../helpers/proxies/proxy-process.js';
import { SECRET, cookieFor } from '../../e2e/transition/session-client.js';
import { withRollout } from '../../e2e/transition/session-nodes.js';
import { HOSTILE_SESSIONS } from './hostile-sessions.js';
import type { HostileSession } from './hostile-sessions.js';

const SID = 'session-of-the-customer';
const SID_OF_ANOTHER = 'session-of-another-customer';

/** What Tandem tells the client besides the status and the code. */
const FOR_CLIENT = ['deprecation', 'sunset', 'link', 'set-cookie', 'retry-after', 'x-auth-error'] as const;

/**
 * Where these proxies differ. Traefik removes the headers that Connection names, and Upgrade without a WebSocket, before it asks. No page
 * of another site can send Connection, and none of these requests opens another protocol. A node does not read a method in small letters.
 */
const UNLIKE: Record<'Traefik' | 'Envoy', Readonly<Record<string, string>>> = {
  Traefik: {
    'names the headers of the cross-site check as headers of the connection': 'known',
    'names its cookie as a header of the connection': 'token_missing',
    'posts a preflight that is none': 'known',
  },
  Envoy: { 'has an unknown method for another site': '400' },
};

/** The times of two answers to the same request may differ by a second. */
const APPROXIMATELY: Record<string, unknown> = {
  deprecation: expect.stringMatching(/^@\d+$/),
  'retry-after': expect.stringMatching(/^\d+$/),
};

describe('the examples for proxies, with sessions', () => {
  let node: TestApp;
  let shop: ProtectedProduct;
  let identity: Identity;
  const cookie = `Cookie: ${cookieFor(SID)}`;

  beforeAll(async () => {
    node = await createTestApp({
      env: { SESSION_SECRET: SECRET, TRUST_PROXY: '127.0.0.1', JWT_ISSUER: 'https://shop.example' },
      listen: true,
    });
    shop = await ProtectedProduct.start(node.url);
    const { externalId, role } = ODD_NAMES;
    const { id } = await aUser(node);
    const another = await aUser(node);
    await sql(node, 'UPDATE users SET external_id = $2, role = $3 WHERE id = $1', [id, externalId, role]);
    identity = { id, externalId, role, scheme: 'session' };
    await addSession(SID, externalId);
    await addSession(SID_OF_ANOTHER, another.id);
  });
  afterAll(async () => {
    await shop?.close();
    await node?.close();
  });

  /** As the product keeps its sessions. The session is new, so Tandem does not extend it. */
  const addSession = (sid: string, userId: string) =>
    sql(
      node,
      `INSERT INTO session (sid, sess, expire)
       VALUES ($1, json_build_object('cookie', json_build_object('originalMaxAge', 86400000), 'userId', $2::text),
         now() + interval '1 day')`,
      [sid, userId],
    );

  /** The next use of the session extends it, and the client gets its cookie again. */
  const expireSoon = () =>
    sql(node, `UPDATE session SET expire = now() + interval '1 hour' WHERE sid = $1`, [SID]);

  const send = (name: ProxyName, request: Partial<HostileRequest>, credential = cookie) =>
    shop.send(name, bytesOf({ name: '', bearer: '', ...request }, credential));

  describe.each(RUNNING)('%s', (name) => {
    it.each(HOSTILE_REQUESTS)('keeps its promises to a request that $name', async (request) => {
      const expected = expectedOf(request.session ?? request.bearer, name);
      expect(await shop.outcome(name, bytesOf(request, cookie), identity)).toBe(expected);
    });

    it.each(HOSTILE_SESSIONS)('keeps its promises to a request that $name', async (request) => {
      const credential = request.credential?.(SID, SID_OF_ANOTHER) ?? cookie;
      expect(await shop.outcome(name, bytesOf(request, credential), identity)).toBe(request.session);
    });

    it('delivers Deprecation, Sunset, Link and the extended cookie beside the answer of the product', async () => {
      await withRollout(node, { phase: 'deprecation_notice' }, async () => {
        await expireSoon();
        const first = await send(name, {});
        expect(told(first)).toMatchObject({
          status: 200,
          deprecation: expect.stringMatching(/^@\d+$/),
          sunset: expect.stringMatching(/ GMT$/),
          link: '<https://shop.example/transition/guide>; rel="deprecation"',
          'x-auth-error': undefined,
          'retry-after': undefined,
        });
        expect(cookiesOf(first)).toEqual(['product', 'session_id']);
        expect(cookiesOf(await send(name, {}))).toEqual(['product']);
      });
      expect(told(await send(name, {}))).toMatchObject({ status: 200, deprecation: undefined });
    });

    it('delivers them with a refusal, with Retry-After and the code', async () => {
      shop.product.take();
      const to = new Date(Date.now() + 600_000).toISOString();
      const brownouts = [{ from: new Date(Date.now() - 1_000).toISOString(), to }];
      await withRollout(node, { phase: 'deprecation_notice', brownouts }, async () => {
        const answer = await send(name, {});
        expect(codeIn(answer)).toBe('sessions_brownout');
        expect(told(answer)).toEqual({ ...told(await askNode()), ...APPROXIMATELY });
        expect(Number(answer!.headers['retry-after'])).toBeGreaterThan(0);
      });
      await withRollout(node, { phase: 'sessions_removed' }, async () => {
        const answer = await send(name, {});
        expect(codeIn(answer)).toBe('sessions_removed');
        expect(told(answer)).toEqual({ ...told(await askNode()), deprecation: APPROXIMATELY['deprecation'] });
      });
      expect(shop.product.take()).toEqual([]);
    });

    it('lets a page of the product’s own origin post, and no other', async () => {
      const post = { line: 'POST /orders/1 HTTP/1.1' };
      const own = await send(name, {
        ...post,
        headers: ['Origin: http://shop.example', 'Content-Length: 0'],
      });
      expect(told(own)).toMatchObject({ status: 200, 'x-auth-error': undefined });
      shop.product.take();
      const other = await send(name, {
        ...post,
        headers: ['Origin: https://evil.example', 'Content-Length: 0'],
      });
      expect([other?.status, codeIn(other)]).toEqual([403, 'cross_site_request']);
      expect(shop.product.take()).toEqual([]);
    });

    it('has each request and each refusal counted once in the report', async () => {
      const before = await reported();
      for (const _ of [1, 2, 3]) await send(name, {});
      const forged = `Cookie: ${cookieFor('session-of-nobody')}`;
      for (const _ of [1, 2]) await send(name, {}, forged);
      await send(name, { headers: ['Upgrade: x', 'Connection: Upgrade', 'Sec-Fetch-Site: cross-site'] });
      for (const _ of [1, 2]) await send(name, {}, 'Authorization: Bearer no.token');
      // Refused by the proxy itself, or passed on without a question: not counted.
      await send(name, { line: 'GET /orders/../public/1 HTTP/1.1' });
      await send(name, { line: 'GET /metrics HTTP/1.1' });
      await send(name, { line: 'GET /login HTTP/1.1' });
      const expected = { requests: 6, session_invalid: 2, cross_site_request: 1, token_malformed: 2 };
      await expect.poll(() => since(before), { timeout: 15_000 }).toEqual(expected);
      // A later request has been counted too, so nothing is on its way.
      await send(name, {});
      await expect.poll(() => since(before), { timeout: 15_000 }).toEqual({ ...expected, requests: 7 });
    });
  });

  describe('Traefik and Envoy, as their sources describe them', () => {
    // Only these reach Tandem: the proxies answer the others themselves.
    const asked = [...HOSTILE_REQUESTS, ...HOSTILE_SESSIONS].flatMap((request) => {
      const expected = expectedAnswer(request.session ?? request.bearer, request.line);
      return expected === undefined ? [] : [{ ...request, expected }];
    });
    /** What the product or the client would learn. */
    const answerTo = async (question: string) => {
      const [answer] = await exchange(Number(new URL(node.url).port), question);
      const { status, headers } = answer!;
      if (status > 299) return headers['x-auth-error'] ?? String(status);
      const told = ['user-id', 'external-id', 'role', 'scheme'].map((name) => headers[`x-auth-${name}`]);
      expect(told).toEqual([identity.id, identity.externalId, identity.role, 'session']);
      return 'known';
    };

    it('ask about at least twenty hostile requests', () => {
      expect(asked.length).toBeGreaterThan(20);
    });

    it.each(asked)('get the right answer for a request that $name', async (request) => {
      const credential = (request as HostileSession).credential?.(SID, SID_OF_ANOTHER) ?? cookie;
      const { expected, name } = request;
      const fromEnvoy = await answerTo(envoyQuestion(request, credential));
      expect(fromEnvoy).toBe(UNLIKE.Envoy[name] ?? expected);
      const fromTraefik = await answerTo(traefikQuestion(request, credential));
      expect(fromTraefik).toBe(UNLIKE.Traefik[name] ?? expected);
    });
  });

  /** What Tandem itself says to a proxy that asks for this session. */
  const askNode = async () => {
    const response = await fetch(`${node.url}/auth/verify`, { headers: { cookie: cookieFor(SID) } });
    return { status: response.status, headers: Object.fromEntries(response.headers.entries()) };
  };

  interface Figures {
    readonly requests: number;
    readonly errors: Readonly<Record<string, number>>;
  }

  /** Requests by session, and the refusals of both schemes. */
  async function reported(): Promise<Figures> {
    const { access_token } = await login(node);
    const reply = await node.app.inject({ url: '/admin/rollout/report', ...bearer(access_token) });
    const { session, bearer: byToken } = reply.json<{ schemes: Record<'session' | 'bearer', Figures> }>()
      .schemes;
    return { requests: session.requests, errors: { ...byToken.errors, ...session.errors } };
  }

  async function since({ requests, errors }: Figures): Promise<Record<string, number>> {
    const now = await reported();
    const more = Object.entries(now.errors).map(
      ([code, count]) => [code, count - (errors[code] ?? 0)] as const,
    );
    return {
      requests: now.requests - requests,
      ...Object.fromEntries(more.filter(([, count]) => count > 0)),
    };
  }
});

function told(answer: Pick<RawResponse, 'status' | 'headers'> | undefined): Record<string, unknown> {
  const { status, headers } = answer!;
  return { status, ...Object.fromEntries(FOR_CLIENT.map((name) => [name, headers[name]])) };
}

function codeIn(answer: RawResponse | undefined): string {
  return (JSON.parse(answer!.body) as { code: string }).code;
}

/** The names of the cookies that the answer sets. */
function cookiesOf(answer: RawResponse | undefined): string[] {
  return answer!.cookies.map((text) => text.split('=')[0]!).toSorted();
}
