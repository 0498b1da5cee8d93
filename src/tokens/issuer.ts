import type { Provider } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ServiceStateStore } from '../database/service-state.store.js';

/** Injection token of `iss`: the same on every node and after a restart, never taken from a request. */
export const ISSUER = Symbol('ISSUER');

export const issuerProvider: Provider = {
  provide: ISSUER,
  inject: [CONFIG, ServiceStateStore],
  useFactory: (config: Config, state: ServiceStateStore) =>
    config.jwtIssuer ?? state.adoptIssuer(`http://${hostOf(config.host)}:${config.port}`),
};

function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
