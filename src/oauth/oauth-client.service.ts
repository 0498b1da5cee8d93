import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DEFAULT_SCOPES, canonicalScopes } from '../auth/client-scopes.js';
import type { ClientScope } from '../auth/client-scopes.js';
import { cursorsOf } from '../common/http/pagination.js';
import type { Sql } from '../database/database.js';
import { KeyOpenerService } from '../tokens/keys/key-opener.service.js';
import { OAuthClientTrust } from './oauth-client.trust.js';
import type { OAuthClient } from './oauth-client.entity.js';
import { OAuthClientStore } from './oauth-client.store.js';
import type { Doer } from './oauth-client.store.js';
import { refuseClient } from './oauth.errors.js';

/** Secret scanners find client secrets by this prefix. */
const PREFIX = 'tandem_cs_';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const CURSORS = cursorsOf('clients', UUID);

/** The hash to compare with if there is no such client, so that the time does not tell. */
const UNKNOWN_CLIENT = randomBytes(32);

/** A client with its secret. The service shows the secret once and stores only its hash. */
export interface ClientWithSecret {
  readonly client: OAuthClient;
  readonly secret: string;
}

export interface ClientPage {
  readonly clients: readonly OAuthClient[];
  readonly next_cursor: string | null;
}

/** Registers and authenticates service clients. */
@Injectable()
export class OAuthClientService {
  constructor(
    private readonly store: OAuthClientStore,
    private readonly trust: OAuthClientTrust,
    opener: KeyOpenerService,
  ) {
    opener.onOpen((sql, upgradesToMacs) => this.vouch(sql, upgradesToMacs));
  }

  async create(
    name: string,
    doer: Doer,
    scopes: readonly ClientScope[] = DEFAULT_SCOPES,
  ): Promise<ClientWithSecret> {
    const secret = newSecret();
    const client = { id: randomUUID(), name, secretHash: hashOf(secret), scopes: canonicalScopes(scopes) };
    return { client: await this.store.insert(client, doer), secret };
  }

  /**
   * Replaces what the client may do, from its next call on. Undefined for a client that is unknown or disabled. Throws 409
   * `client_not_trusted`.
   */
  async setScopes(id: string, scopes: readonly ClientScope[], doer: Doer): Promise<OAuthClient | undefined> {
    const client = await this.store.setScopes(id, canonicalScopes(scopes), doer);
    if (client === 'not_ours') throw refuseClient('client_not_trusted');
    return client;
  }

  /** The old secret stops working at once. Undefined for a client that is unknown or disabled. */
  async renewSecret(id: string, doer: Doer): Promise<ClientWithSecret | undefined> {
    const secret = newSecret();
    const client = await this.store.renew(id, hashOf(secret), doer);
    if (client !== undefined) this.trust.clear(id);
    return client && { client, secret };
  }

  /** False for an unknown client. */
  async disable(id: string, doer: Doer): Promise<boolean> {
    const client = await this.store.disable(id, doer);
    if (client !== undefined) this.trust.clear(id);
    return client !== undefined;
  }

  /** Returns a page of the clients. Throws 400 for an invalid cursor. */
  async list(limit: number, cursor: string | undefined): Promise<ClientPage> {
    const after = cursor === undefined ? undefined : CURSORS.read(cursor)[0];
    const found = await this.store.list(limit + 1, after);
    const clients = found.slice(0, limit);
    return { clients, next_cursor: found.length > limit ? CURSORS.write(clients.at(-1)!.id) : null };
  }

  /**
   * Whether a client with this id is registered, even if it is disabled: such a client must authenticate. A UUID in capitals is the same
   * UUID (RFC 9562, section 4), so that another spelling does not pass as a public client.
   */
  async isRegistered(given: string): Promise<boolean> {
    const id = given.trim().toLowerCase();
    return UUID.test(id) && (await this.store.find(id)) !== undefined;
  }

  /**
   * The active client that has this secret and whose row this service wrote; undefined if there is none. Takes constant time for every
   * client.
   */
  async authenticate(id: string, secret: string): Promise<OAuthClient | undefined> {
    const client = UUID.test(id) ? await this.store.find(id) : undefined;
    const right = timingSafeEqual(hashOf(secret), client?.secretHash ?? UNKNOWN_CLIENT);
    return right && this.isActive(client) ? client : undefined;
  }

  /** The active client with this id and scope, whose row this service wrote; undefined if there is none. */
  async withScope(id: string, scope: ClientScope): Promise<OAuthClient | undefined> {
    const client = await this.store.find(id);
    return this.isActive(client) && client.scopes.includes(scope) ? client : undefined;
  }

  private isActive(client: OAuthClient | undefined): client is OAuthClient {
    return client?.disabledAt === null && this.trust.isOurs(client);
  }

  /** A disabled client always gets a MAC, so that it stays disabled. */
  private async vouch(sql: Sql, upgradesToMacs: boolean): Promise<void> {
    for (const client of await this.store.lockAll(sql)) {
      const ours = client.disabledAt !== null || this.trust.isOurs(client, upgradesToMacs);
      if (ours && !this.trust.isComplete(client)) await this.store.vouch(sql, client);
    }
  }
}

function newSecret(): string {
  return PREFIX + randomBytes(32).toString('base64url');
}

function hashOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}
