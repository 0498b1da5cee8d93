import { randomInt } from 'node:crypto';
import type { Config } from '../../../config/config.js';
import type { UntrustedProxy } from '../../../database/service-state.store.js';
import { fail, messageOf, ok, runCheck, warn } from './doctor-check.js';
import type { Finding } from './doctor-check.js';
import { isLoopback } from '../../../config/value-checks.js';

const TIMEOUT_MS = 5_000;

/** Checks that the JWK Set under the issuer URL contains the signing key `kid`. */
export async function jwksChecks(issuer: string, kid: string, { production }: Config): Promise<Finding[]> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`;
  const report = production ? fail : warn;
  const advice = 'set JWT_ISSUER to the URL under which clients and other services reach the nodes';
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    if (response.status !== 200) return [report('jwks', `${url} answers ${response.status}`, advice)];
    const { keys } = (await response.json()) as { keys?: { kid?: string }[] };
    return keys?.some((key) => key.kid === kid) === true
      ? [ok('jwks', `${url} has the signing key`)]
      : [
          fail(
            'jwks',
            `${url} lacks the signing key: it may lead to another installation or to an old cache`,
            advice,
          ),
        ];
  } catch (error) {
    return [report('jwks', `${url} cannot be reached: ${messageOf(error)}`, advice)];
  }
}

/**
 * Checks whether a client can evade its rate limit by forging `X-Forwarded-For`. It calls `/auth/login` three times without
 * credentials. The calls count towards the rate limit of this machine. `untrusted` returns the untrusted proxy that nodes have recorded.
 */
export async function proxyChecks(
  url: string,
  { trustProxy }: Config,
  untrusted: () => Promise<UntrustedProxy | undefined> = async () => undefined,
): Promise<Finding[]> {
  return runCheck('proxy', 'give the public URL with --url', async () => {
    const [one, other] = unusedAddresses();
    const first = await remaining(url, one);
    const second = await remaining(url, other);
    const again = await remaining(url, one);
    if (first === undefined || second === undefined || again === undefined)
      return [
        warn('proxy', `${url} sends no rate limit headers`, 'check that this is the URL of the service'),
      ];
    if (second < first) {
      // The quota fell although the address differs, so the header was ignored. If a proxy that TRUST_PROXY does not name added one, the node
      // has recorded that.
      const proxy = await untrusted();
      return [
        proxy === undefined ? ok('proxy', `${url} ignores a forged X-Forwarded-For`) : untrustedProxy(proxy),
      ];
    }
    // The third call repeats the first address, so less must remain. If not, the quota was already exhausted.
    if (again >= first) return [warn('proxy', 'the rate limit is exhausted', 'try again in a minute')];
    if (isLoopback(new URL(url).hostname) && trustProxy !== undefined)
      return [
        warn(
          'proxy',
          `${url} trusts X-Forwarded-For from any client on this machine, and TRUST_PROXY names this machine as a proxy`,
          'run it again with --url and the public URL; allow only the proxy to reach the port',
        ),
      ];
    return [
      fail(
        'proxy',
        `${url} trusts X-Forwarded-For from any client: clients choose the address that is rate-limited and audited`,
        'set TRUST_PROXY to the addresses of your proxies only, and let them append to the header',
      ),
    ];
  });
}

function untrustedProxy({ peer, header }: UntrustedProxy): Finding {
  const missing =
    header === 'x-forwarded-for'
      ? ''
      : ', and make it send X-Forwarded-For, the only header that Tandem reads';
  return warn(
    'proxy',
    `requests arrive from ${peer} with the header ${header}, and TRUST_PROXY does not name that address`,
    `if ${peer} is your proxy, set TRUST_PROXY=${peer}${missing}; otherwise all clients behind it share one rate limit. ` +
      `If ${peer} is not your proxy, a client sent the header, and there is nothing to do`,
  );
}

/**
 * Returns two documentation addresses (RFC 3849) in different /48 networks, so that they have separate rate limits. Each is chosen from 2³¹
 * networks, so that a second run does not reuse an address.
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
    signal: AbortSignal.timeout(TIMEOUT_MS),
    redirect: 'error',
  });
  await response.arrayBuffer();
  const header = response.headers.get('RateLimit-Remaining');
  return header === null ? undefined : Number(header);
}

/** Whether a node answers at the URL. */
export async function isUp(url: string): Promise<boolean> {
  try {
    const response = await fetch(new URL('/health/live', url), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
