import { afterEach, describe, expect, it, vi } from 'vitest';
import { AuthError, createVerifier } from '@tandem-auth/verifier';
import type { HeadersLike, RequestLike, Verifier, VerifierOptions } from '@tandem-auth/verifier';
import { AUDIENCE, ISSUER, USER, aKey, claimsNow, json, signed } from './signing.js';

const k1 = aKey('k1');
const METADATA = `${ISSUER}/.well-known/oauth-authorization-server`;
const JWKS = `${ISSUER}/.well-known/jwks.json`;

type Answers = Readonly<Record<string, (init: RequestInit) => Response | Promise<Response>>>;

const metadata = (more: object = {}) => json({ issuer: ISSUER, jwks_uri: JWKS, ...more });
const GOOD: Answers = { [METADATA]: () => metadata(), [JWKS]: () => json({ keys: [k1.jwk] }) };

let verifier: Verifier | undefined;
afterEach(() => verifier?.close());

/** A verifier whose service gives these answers. */
function verifierOf(answers: Answers, options: Partial<VerifierOptions> = {}) {
  const fetch = vi.fn((url: string, init: RequestInit) => {
    const answer = answers[url];
    return answer === undefined
      ? Promise.reject(new Error(`no route to ${url}`))
      : Promise.resolve(answer(init));
  });
  verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, fetch, ...options });
  return { verifier, fetch };
}

const refusalOf = (
  source: HeadersLike | RequestLike,
  answers: Answers = GOOD,
  options?: Partial<VerifierOptions>,
) =>
  verifierOf(answers, options)
    .verifier.verify(source)
    .then(
      () => undefined,
      (error: unknown) => error as AuthError,
    );

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('createVerifier', () => {
  it.each<[string, Partial<VerifierOptions>, string]>([
    ['no URL', { issuer: 'tandem' }, 'issuer'],
    ['the issuer of the test kit', { issuer: 'https://tandem.invalid' }, 'issuer'],
    ['the issuer of the test kit with a dot', { issuer: 'https://tandem.invalid./' }, 'issuer'],
    ['plain HTTP to another machine', { issuer: 'http://auth.example.com' }, 'issuer'],
    ['an issuer with credentials', { issuer: 'https://a:b@auth.example.com' }, 'issuer'],
    ['an issuer with a query', { issuer: 'https://auth.example.com/?a' }, 'issuer'],
    ['no audience', { audience: '' }, 'audience'],
    ['a client without a secret', { client: { id: 'c', secret: '' } }, 'client'],
    ['a session cookie without a name', { sessions: { cookie: '' } }, 'sessions.cookie'],
  ])('refuses %s and names the option', (_, wrong, option) => {
    const options = { issuer: ISSUER, audience: AUDIENCE, ...wrong };
    expect(() => createVerifier(options)).toThrow(new RegExp(`^${option} `));
  });

  it.each([
    'https://auth.example.com/prefix',
    'http://127.0.0.1:5000',
    'http://localhost:5000',
    'http://tandem.test',
    'http://[::1]',
    'http://tandem:5000',
  ])('accepts the issuer %s', (issuer) => {
    createVerifier({ issuer, audience: AUDIENCE }).close();
  });
});

describe('the verifier', () => {
  it.each<[string, (headers: Record<string, string>) => HeadersLike | RequestLike]>([
    ['headers of fetch', (headers) => new Headers(headers)],
    ['headers of Node.js', (headers) => headers],
    ['a request of fetch', (headers) => new Request('https://shop.test/', { headers })],
    ['a request of Node.js', (headers) => ({ method: 'GET', url: '/', headers })],
  ])('accepts %s', async (_, make) => {
    const { verifier: accepting } = verifierOf(GOOD);
    expect(await accepting.verify(make(bearer(signed(k1))))).toMatchObject({ userId: USER });
    await expect(accepting.verify(make({}))).rejects.toMatchObject({ code: 'token_missing' });
  });

  it.each<[string, HeadersLike, string]>([
    ['without credentials', {}, 'token_missing'],
    ['with another scheme', { authorization: 'Basic YTpi' }, 'token_missing'],
    ['with a cookie, while sessions are off', { cookie: 'session_id=s%3Ax.y' }, 'token_missing'],
    ['without a token behind Bearer', { authorization: 'Bearer' }, 'token_malformed'],
    ['with two tokens', { authorization: 'Bearer a b' }, 'token_malformed'],
    ['with a header that is called headers', { headers: 'authorization' }, 'token_missing'],
  ])('refuses a request %s', async (_, headers, code) => {
    const refusal = (await refusalOf(headers))!;
    expect(refusal).toMatchObject({ status: 401, code });
    const plain = 'Bearer realm="tandem"';
    const challenge = refusal.headers['WWW-Authenticate']!;
    if (code === 'token_missing') expect(challenge).toBe(plain);
    else expect(challenge.startsWith(`${plain}, error="invalid_token", error_description="`)).toBe(true);
  });

  it.each<[string, Answers]>([
    ['metadata of another issuer', { ...GOOD, [METADATA]: () => metadata({ issuer: 'https://evil.test' }) }],
    [
      'keys on another origin',
      { ...GOOD, [METADATA]: () => metadata({ jwks_uri: 'https://evil.test/jwks' }) },
    ],
    ['keys without an address', { ...GOOD, [METADATA]: () => metadata({ jwks_uri: undefined }) }],
    ['metadata that is no JSON', { ...GOOD, [METADATA]: () => new Response('<html>') }],
    ['metadata that is null', { ...GOOD, [METADATA]: () => json(null) }],
    ['metadata that is a megabyte', { ...GOOD, [METADATA]: () => metadata({ x: 'x'.repeat(1_000_000) }) }],
    ['an error', { ...GOOD, [JWKS]: () => json({}, { status: 500 }) }],
    [
      'a redirect',
      { ...GOOD, [JWKS]: () => new Response(null, { status: 302, headers: { location: '/' } }) },
    ],
    ['a redirected metadata document', { ...GOOD, [METADATA]: () => new Response(null, { status: 307 }) }],
    ['ten thousand keys', { ...GOOD, [JWKS]: () => json({ keys: Array(10_000).fill(k1.jwk) }) }],
    ['keys that are not UTF-8', { ...GOOD, [JWKS]: () => new Response(new Uint8Array([0xff])) }],
    ['a private key', { ...GOOD, [JWKS]: () => json({ keys: [{ ...k1.jwk, d: 'AQAB' }] }) }],
    ['no network', {}],
  ])('answers 503 if the service gives %s, and follows no redirect', async (_, answers) => {
    expect(await refusalOf(bearer(signed(k1)), answers)).toMatchObject({
      status: 503,
      code: 'service_unavailable',
    });
    const { fetch } = verifierOf(answers);
    for (const [, init] of fetch.mock.calls) expect(init.redirect).toBe('manual');
  });

  it('finds the metadata of an issuer with a path at both places', async () => {
    const issuer = `${ISSUER}/auth-service`;
    const document = json({ issuer, jwks_uri: JWKS });
    const answers = {
      [`${ISSUER}/.well-known/oauth-authorization-server/auth-service`]: () => json({}, { status: 404 }),
      [`${issuer}/.well-known/oauth-authorization-server`]: () => document,
      [JWKS]: () => json({ keys: [k1.jwk] }),
    };
    const { verifier: accepting } = verifierOf(answers, { issuer });
    expect(await accepting.verify(bearer(signed(k1, claimsNow({ iss: issuer }))))).toMatchObject({
      userId: USER,
    });
  });

  it('is ready when it has the keys, and rejects if the issuer is wrong', async () => {
    await verifierOf(GOOD).verifier.ready();
    const wrong = verifierOf({ ...GOOD, [METADATA]: () => metadata({ issuer: 'https://evil.test' }) });
    await expect(wrong.verifier.ready()).rejects.toThrow('another issuer');
  });

  it('stops waiting for the service when it is closed', async () => {
    const { verifier: waiting } = verifierOf({});
    const ready = waiting.ready();
    waiting.close();
    await expect(ready).rejects.toThrow();
  });

  it.each([401, 403, 404])('is never ready if the stream answers %i to its client', async (status) => {
    const stream = `${ISSUER}/oauth/revocations`;
    const answers = {
      ...GOOD,
      [METADATA]: () => metadata({ revocations_endpoint: stream }),
      [stream]: () => json({}, { status }),
    };
    const { verifier: refused, fetch } = verifierOf(answers, { client: { id: 'a:b c', secret: 's+%' } });
    await expect(refused.ready()).rejects.toThrow(`answered ${status}`);
    const [, init] = fetch.mock.calls.find(([url]) => url === stream)!;
    const { authorization } = init.headers as Record<string, string>;
    expect(atob(authorization!.replace('Basic ', ''))).toBe('a%3Ab+c:s%2B%25');
  });

  it('is never ready with a client if the service has no stream, or one on another origin', async () => {
    const client = { id: 'shop', secret: 'secret' };
    await expect(verifierOf(GOOD, { client }).verifier.ready()).rejects.toThrow('no stream');
    const elsewhere = {
      ...GOOD,
      [METADATA]: () => metadata({ revocations_endpoint: 'https://evil.test/r' }),
    };
    await expect(verifierOf(elsewhere, { client }).verifier.ready()).rejects.toThrow('not at the origin');
  });
});
