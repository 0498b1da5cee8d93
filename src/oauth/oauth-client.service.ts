import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { cursorsOf } from '../common/pagination.js';
import type { Sql } from '../database/database.js';
import { KeyOpenerService } from '../tokens/keys/key-opener.service.js';
import { OAuthClientTrust } from './oauth-client.trust.js';
import type { OAuthClient } from './oauth-client.entity.js';
import { OAuthClientStore } from './oauth-client.store.js';
import type { Doer } from './oauth-client.store.js';

/** The fixed prefix by which secret scanners know a client secret. */
const PREFIX = 'tandem_cs_';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const CURSORS = cursorsOf('clients', UUID);

/** Compared with where there is no client. */
const NOBODY = randomBytes(32);

/** A client with its secret, which is known now and never again. */
export interface ClientWithSecret {
  readonly client: OAuthClient;
  readonly secret: string;
}

export interface ClientPage {
  readonly clients: readonly OAuthClient[];
  readonly next_cursor: string | null;
}

/** Services that may ask about tokens: who they are, and whether they are it. */
@Injectable()
export class OAuthClients {
  constructor(
    private readonly store: OAuthClientStore,
    private readonly trust: OAuthClientTrust,
    opener: KeyOpenerService,
  ) {
    opener.onOpen((sql, firstStart) => this.vouch(sql, firstStart));
  }

  async create(name: string, doer: Doer): Promise<ClientWithSecret> {
    const secret = newSecret();
    return { client: await this.store.insert(randomUUID(), name, hashOf(secret), doer), secret };
  }

  /** The old secret ends with it. Undefined for a client that is unknown or disabled. */
  async renewSecret(id: string, doer: Doer): Promise<ClientWithSecret | undefined> {
    const secret = newSecret();
    const client = await this.store.renew(id, hashOf(secret), doer);
    if (client !== undefined) this.trust.clear(id);
    return client && { client, secret };
  }

  /** False for one that is unknown. */
  async disable(id: string, doer: Doer): Promise<boolean> {
    const client = await this.store.disable(id, doer);
    if (client !== undefined) this.trust.clear(id);
    return client !== undefined;
  }

  /** Throws 400 for a cursor that is none. */
  async list(limit: number, cursor: string | undefined): Promise<ClientPage> {
    const after = cursor === undefined ? undefined : CURSORS.read(cursor)[0];
    const found = await this.store.list(limit + 1, after);
    const clients = found.slice(0, limit);
    return { clients, next_cursor: found.length > limit ? CURSORS.write(clients.at(-1)!.id) : null };
  }

  /**
   * Whether there is a client of that id, disabled or not: such a one has to prove itself. In capitals it is the same UUID
   * (RFC 9562, section 4), so that no other spelling is a public client.
   */
  async isRegistered(given: string): Promise<boolean> {
    const id = given.trim().toLowerCase();
    return UUID.test(id) && (await this.store.find(id)) !== undefined;
  }

  /** Whether the secret is that of an active client whose row this service wrote. In constant time, whoever it is. */
  async authenticate(id: string, secret: string): Promise<boolean> {
    const client = UUID.test(id) ? await this.store.find(id) : undefined;
    const right = timingSafeEqual(hashOf(secret), client?.secretHash ?? NOBODY);
    return right && client?.disabledAt === null && this.trust.isOurs(client);
  }

  /** A disabled client gets its MAC in any case: then it stays disabled. */
  private async vouch(sql: Sql, firstStart: boolean): Promise<void> {
    for (const client of await this.store.lockAll(sql)) {
      const ours = client.disabledAt !== null || this.trust.isOurs(client, firstStart);
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
