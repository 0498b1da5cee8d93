import { Inject, Injectable } from '@nestjs/common';
import type { Provider } from '@nestjs/common';
import { RowMacs } from '../../common/crypto/row-macs.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { Sql } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { KeyOpenerService } from '../keys/key-opener.service.js';
import { KeyRingError } from '../keys/key-ring.js';

/** Injection token of `iss`. It is the same on every node and after a restart, and never comes from a request. */
export const ISSUER = Symbol('ISSUER');

export const issuerProvider: Provider = {
  provide: ISSUER,
  inject: [CONFIG, ServiceStateStore],
  useFactory: (config: Config, state: ServiceStateStore) => {
    if (config.jwtIssuer !== undefined) return config.jwtIssuer;
    const proposal = `http://${hostOf(config.host)}:${config.port}`;
    return state.adoptIssuer(proposal, macsOf(config).make(partsOf(proposal)));
  },
};

/**
 * Trusts the issuer in the database only if its MAC is right. Other services fetch our keys from the issuer, so an attacker who changes
 * it could make them accept forged tokens.
 */
@Injectable()
export class KeptIssuer {
  private readonly macs: RowMacs;

  constructor(
    private readonly state: ServiceStateStore,
    opener: KeyOpenerService,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.macs = macsOf(config);
    opener.onOpen((sql, firstStart) => this.require(sql, firstStart));
  }

  private async require(sql: Sql, firstStart: boolean): Promise<void> {
    const { issuer, macs } = await this.state.issuer(sql);
    if (issuer === null) return;
    const verdict = this.macs.verify(partsOf(issuer), macs);
    const ours = verdict === 'right' || (verdict === 'missing' && firstStart);
    if (ours && !(verdict === 'right' && this.macs.isComplete(macs)))
      await this.state.setIssuerMacs(sql, this.macs.make(partsOf(issuer)));
    if (!ours && this.config.jwtIssuer === undefined)
      throw new KeyRingError(
        'the issuer in the database was not written by this service: set JWT_ISSUER to the URL that clients use',
      );
  }
}

function macsOf(config: Config): RowMacs {
  return new RowMacs('service_state', config);
}

function partsOf(issuer: string): readonly string[] {
  return ['issuer', issuer];
}

function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
