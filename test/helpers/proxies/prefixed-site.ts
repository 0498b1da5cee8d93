import { afterAll, beforeAll } from 'vitest';
import { createTestApp } from '../app.js';
import type { TestApp } from '../app.js';
import { ProductEcho } from './product-echo.js';
import { PREFIXING, ProxyProcess, running } from './proxy-process.js';
import type { ProxyName } from './proxy-process.js';

/** The issuer of the examples with a path prefix. */
export const PREFIXED_ISSUER = 'https://example.com/sso';

/** The examples that serve Tandem below /sso and can run here. */
export const RUNNING_WITH_PREFIX = running(PREFIXING);

/** Tandem below /sso of a site, and a product at its root, behind the proxies that can run here. For the tests of one `describe`. */
export class PrefixedSite {
  node!: TestApp;
  product!: ProductEcho;
  private proxies: readonly ProxyProcess[] = [];

  constructor(env: Readonly<Record<string, string>> = {}) {
    beforeAll(async () => {
      this.node = await createTestApp({
        env: { JWT_ISSUER: PREFIXED_ISSUER, TRUST_PROXY: '127.0.0.1', ...env },
        listen: true,
      });
      this.product = await ProductEcho.start();
      const upstream = { tandem: Number(new URL(this.node.url).port), product: this.product.port };
      this.proxies = await Promise.all(RUNNING_WITH_PREFIX.map((name) => ProxyProcess.start(name, upstream)));
    });
    afterAll(async () => {
      await Promise.all(this.proxies.map((proxy) => proxy.stop()));
      await this.product?.close();
      await this.node?.close();
    });
  }

  proxy(name: ProxyName): ProxyProcess {
    return this.proxies.find((proxy) => proxy.name === name)!;
  }
}
