import { exchange } from '../http.js';
import type { RawResponse } from '../http.js';
import { ProductEcho, valuesOf } from './product-echo.js';
import type { Reached } from './product-echo.js';
import { PROTECTING, ProxyProcess, running } from './proxy-process.js';
import type { ProxyName } from './proxy-process.js';

/** The examples that protect a product and can run here. */
export const RUNNING = running(PROTECTING);

/** Who is calling, as the product has to see it. */
export interface Identity {
  readonly id: string;
  readonly externalId: string;
  readonly role: string;
  readonly scheme: 'bearer' | 'session';
}

/** A product, and the proxies that can run here in front of it and of a node of Tandem. */
export class ProtectedProduct {
  private constructor(
    readonly product: ProductEcho,
    readonly proxies: readonly ProxyProcess[],
  ) {}

  /** `node`: the URL of Tandem. */
  static async start(node: string): Promise<ProtectedProduct> {
    const product = await ProductEcho.start();
    const upstream = { tandem: Number(new URL(node).port), product: product.port };
    const proxies = await Promise.all(RUNNING.map((name) => ProxyProcess.start(name, upstream)));
    return new ProtectedProduct(product, proxies);
  }

  proxy(name: ProxyName): ProxyProcess {
    return this.proxies.find((proxy) => proxy.name === name)!;
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await this.product.close();
  }

  /**
   * Sends bytes through a proxy. Tells what the client gets and what reaches the product: `200 known`, `200 anonymous`,
   * `403 cross_site_request`, `400`. Throws if the product sees an identity that is not exactly the one given, or more than one request.
   */
  async outcome(name: ProxyName, bytes: string, identity: Identity): Promise<string> {
    this.product.take();
    return this.describe(await this.send(name, bytes), this.product.take(), identity);
  }

  /** The answer to bytes that go through a proxy. Undefined if the proxy closes the connection. */
  async send(name: ProxyName, bytes: string): Promise<RawResponse | undefined> {
    const [answer] = await exchange(this.proxy(name).port, bytes);
    return answer;
  }

  private describe(answer: RawResponse | undefined, reached: readonly Reached[], identity: Identity): string {
    const status = answer === undefined ? 'closed' : String(answer.status);
    const [request, ...others] = reached;
    if (others.length > 0) throw new Error(`one request became ${reached.length}`);
    if (request === undefined) return [status, answer?.headers['x-auth-error'] ?? []].flat().join(' ');
    for (const name of ['X-Forwarded-Method', 'X-Original-Method']) {
      const named = valuesOf(request, name);
      if (named.length !== 1 || named[0] !== request.method) throw new Error(`${name}: ${named.join(' | ')}`);
    }
    return `${status} ${knownAs(request, identity)}`;
  }
}

function knownAs(request: Reached, { id, externalId, role, scheme }: Identity): 'known' | 'anonymous' {
  const wanted = { 'user-id': id, 'external-id': externalId, role, scheme };
  const found = Object.keys(wanted).map((name) => valuesOf(request, `x-auth-${name}`));
  if (found.every((values) => values.length === 0)) return 'anonymous';
  const right = Object.values(wanted).every((value, index) => found[index]!.join(' | ') === value);
  if (!right) throw new Error(`the product sees another caller: ${JSON.stringify(request.rawHeaders)}`);
  return 'known';
}
