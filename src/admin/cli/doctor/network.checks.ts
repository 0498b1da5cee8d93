import { randomInt } from 'node:crypto';
import type { Config } from '../../../config/config.js';
import type { UntrustedProxy } from '../../../database/service-state.store.js';
import { examined, fail, messageOf, ok, warn } from './doctor-check.js';
import type { Finding } from './doctor-check.js';
import { isLoopback } from '../../../config/value-checks.js';

/** Milliseconds. */
const PATIENCE = 5_000;

/** Whether clients find the keys under the issuer that tokens name. `kid`: of the key that signs. */
export async function jwksChecks(issuer: string, kid: string, { production }: Config): Promise<Finding[]> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`;
  const bad = production ? fail : warn;
  const advice = 'JWT_ISSUER has to be the URL under which clients and other services reach the nodes';
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE), redirect: 'error' });
    if (response.status !== 200) return [bad('jwks', `${url} answers ${response.status}`, advice)];
    const { keys } = (await response.json()) as { keys?: { kid?: string }[] };
    return keys?.some((key) => key.kid === kid) === true
      ? [ok('jwks', `${url} has the key that signs`)]
      : [fail('jwks', `${url} has not the key that signs: it is another installation's`, advice)];
  } catch (error) {
    return [bad('jwks', `${url} cannot be reached: ${messageOf(error)}`, advice)];
  }
}

/**
 * Whether a client can choose the address that its limits count, by sending `X-Forwarded-For` itself. Takes three calls of the
 * allowance of this machine at `/auth/login`, with no name and no password in them. `untrusted`: the proxy that nodes have noted.
 */
export async function proxyChecks(
  url: string,
  { trustProxy }: Config,
  untrusted: () => Promise<UntrustedProxy | undefined> = async () => undefined,
): Promise<Finding[]> {
  return examined('proxy', 'give the public URL with --url', async () => {
    const [one, other] = unusedAddresses();
    const first = await remaining(url, one);
    const second = await remaining(url, other);
    const again = await remaining(url, one);
    if (first === undefined || second === undefined || again === undefined)
      return [warn('proxy', `${url} does not say what remains of the rate limit`, 'is that this service?')];
    if (second < first) {
      // After the requests: if they went through a proxy, the node has noted it by now.
      const proxy = await untrusted();
      return [
        proxy === undefined
          ? ok('proxy', `${url} does not believe an X-Forwarded-For of our own`)
          : strangeProxy(proxy),
      ];
    }
    if (again >= first) return [warn('proxy', 'the rate limit is used up just now', 'try again in a minute')];
    const direct = isLoopback(new URL(url).hostname);
    const believed = `${url} believes the X-Forwarded-For of whoever sends it`;
    if (direct && trustProxy !== undefined)
      return [
        warn(
          'proxy',
          `${believed} from this machine, which TRUST_PROXY takes for the proxy`,
          'run it again with --url and the public URL; and let nobody but the proxy reach the port',
        ),
      ];
    return [
      fail(
        'proxy',
        `${believed}: clients choose the address that is limited and audited`,
        'set TRUST_PROXY to the addresses of your proxies alone, and let them append to the header',
      ),
    ];
  });
}

function strangeProxy({ peer, header }: UntrustedProxy): Finding {
  const missing =
    header === 'x-forwarded-for' ? '' : ', and let it send X-Forwarded-For, the only header that is read';
  return warn(
    'proxy',
    `requests arrive from ${peer} with the header ${header}, and TRUST_PROXY does not name that address`,
    `if it is your proxy, set TRUST_PROXY=${peer}${missing}: without it all clients behind the proxy share one rate limit. ` +
      'If it is none, a client sent the header itself: there is nothing to do',
  );
}

/**
 * Two addresses for documentation (RFC 3849), each in a /48 of its own: the limits of one do not count calls of the other. Of 2³¹
 * networks each, so that a second run does not find what an earlier one has used.
 */
function unusedAddresses(): [string, string] {
  const address = (from: number) =>
    `2001:db8:${randomInt(from, from + 0x8000).toString(16)}:${randomInt(0x1_0000).toString(16)}::1`;
  return [address(0), address(0x8000)];
}

async function remaining(url: string, spoofed: string): Promise<number | undefined> {
  const response = await fetch(new URL('/auth/login', url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': spoofed },
    body: '{}',
    signal: AbortSignal.timeout(PATIENCE),
    redirect: 'error',
  });
  await response.arrayBuffer();
  const header = response.headers.get('RateLimit-Remaining');
  return header === null ? undefined : Number(header);
}

/** Whether one of our nodes answers there. */
export async function isUp(url: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/health/live', url), { signal: AbortSignal.timeout(PATIENCE) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
