import { Inject, Injectable } from '@nestjs/common';
import { RowAlarms } from '../audit/row-alarms.js';
import { DEFAULT_SCOPES } from '../auth/client-scopes.js';
import { RowMacs } from '../common/crypto/row-macs.js';
import type { MacPart, Macs } from '../common/crypto/row-macs.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { OAuthClient } from './oauth-client.entity.js';

/** Verifies that this service wrote the row of a client, and not somebody with write access to the database. */
@Injectable()
export class OAuthClientTrust {
  private readonly macs: RowMacs;

  constructor(
    private readonly alarms: RowAlarms,
    @Inject(CONFIG) config: Config,
  ) {
    this.macs = new RowMacs('oauth_clients', config);
  }

  macsOf(client: OAuthClient): Macs {
    return this.macs.make(partsOf(client));
  }

  /** Raises an alarm if the row is not ours. `upgradesToMacs`: accepts a row without a MAC, from a release before row MACs. */
  isOurs(client: OAuthClient, upgradesToMacs = false): boolean {
    const verdict = this.macs.verify(partsOf(client), client.macs);
    if (verdict === 'right' || (verdict === 'missing' && upgradesToMacs && hasDefaultScopes(client)))
      return true;
    const message = 'the client is refused: disable it, or renew its secret';
    this.alarms.raise('oauth_clients', { id: client.id, reason: 'not_ours', message });
    return false;
  }

  /** Whether the row has a right MAC for every secret of this node. */
  isComplete(client: OAuthClient): boolean {
    return this.macs.verify(partsOf(client), client.macs) === 'right' && this.macs.isComplete(client.macs);
  }

  clear(id: string): void {
    this.alarms.clear('oauth_clients', id);
  }
}

/**
 * Everything that decides what a client may do, without the text for people. Rows from a release before scopes have MACs without them: such
 * a MAC stands for the default scopes, so it cannot vouch for any other scope.
 */
function partsOf(client: OAuthClient): MacPart[] {
  const { id, secretHash, disabledAt, scopes } = client;
  const parts = [id, secretHash.toString('hex'), disabledAt !== null];
  return hasDefaultScopes(client) ? parts : [...parts, JSON.stringify(scopes)];
}

function hasDefaultScopes({ scopes }: OAuthClient): boolean {
  return scopes.length === DEFAULT_SCOPES.length && DEFAULT_SCOPES.every((scope, at) => scopes[at] === scope);
}
