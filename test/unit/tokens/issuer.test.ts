import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.js';
import type { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { issuerProvider } from '../../../src/tokens/access/issuer.js';

/** What the provider gives for a configuration, on a database that knows `kept` already. */
function issuerOf(config: Partial<Config>, kept?: string): Promise<string> {
  const { useFactory } = issuerProvider as {
    useFactory: (config: Config, state: ServiceStateStore) => string | Promise<string>;
  };
  const state = { adoptIssuer: (proposal: string) => Promise.resolve(kept ?? proposal) };
  const settings = { jwtSecret: 'a secret', ...config } as Config;
  return Promise.resolve(useFactory(settings, state as unknown as ServiceStateStore));
}

describe('the issuer', () => {
  it('is JWT_ISSUER if it is set', async () => {
    expect(await issuerOf({ jwtIssuer: 'https://id.example' }, 'http://kept')).toBe('https://id.example');
  });

  it('is the URL of the first node if JWT_ISSUER is not set, and never changes', async () => {
    expect(await issuerOf({ host: '127.0.0.1', port: 5000 })).toBe('http://127.0.0.1:5000');
    expect(await issuerOf({ host: '::1', port: 5000 })).toBe('http://[::1]:5000');
    expect(await issuerOf({ host: '0.0.0.0', port: 5001 }, 'http://kept')).toBe('http://kept');
  });
});
