import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RefusalCounter } from '../audit/refusal-counter.js';
import type { ClientAuthenticator, ClientScope } from '../auth/client-scopes.js';
import { clientAddress } from '../limits/client-address.js';
import { ClientRateLimitService } from '../limits/client-rate-limit.service.js';
import type { OAuthClient } from './oauth-client.entity.js';
import { OAuthClientService } from './oauth-client.service.js';
import { insufficientScope, refuseOAuth } from './oauth.errors.js';
import type { OAuthForm } from './oauth-form.js';

interface Credentials {
  readonly id: string;
  readonly secret: string | undefined;
}

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i;

/** Authenticates a service client by `client_secret_basic` or `client_secret_post` (RFC 6749, section 2.3.1). */
@Injectable()
export class ClientAuthentication implements ClientAuthenticator {
  constructor(
    private readonly clients: OAuthClientService,
    private readonly limiter: ClientRateLimitService,
    private readonly refusals: RefusalCounter,
  ) {}

  /**
   * Authenticates the client and returns its id. Throws 401 `invalid_client`, 429 after too many failures from one address, 400 for two
   * methods at once, 403 `insufficient_scope`. Without `scope`, the client needs none.
   */
  async require(request: FastifyRequest, form: OAuthForm, scope?: ClientScope): Promise<string> {
    return (await this.requireClient(request, form, scope)).id;
  }

  /** Authenticates the client like {@link require}, and returns it. */
  async requireClient(request: FastifyRequest, form: OAuthForm, scope?: ClientScope): Promise<OAuthClient> {
    const given = credentialsOf(request, form);
    if (given?.secret === undefined) return this.refuse(request);
    const client = await this.clients.authenticate(given.id, given.secret);
    if (client === undefined) return this.refuse(request);
    if (scope !== undefined && !client.scopes.includes(scope)) throw insufficientScope(scope);
    return client;
  }

  /** Authenticates the client on a route outside of `/oauth`: only by HTTP Basic, never by the body. */
  authenticate(request: FastifyRequest, scope: ClientScope): Promise<string> {
    return this.require(request, {}, scope);
  }

  /**
   * Authenticates the client of a call that public clients make too. A client that sends a secret must send the right one, and a registered
   * client must send its secret. Ignores other client ids, because tokens belong to no client.
   */
  async ifGiven(request: FastifyRequest, form: OAuthForm): Promise<void> {
    const given = credentialsOf(request, form);
    if (given === undefined) return;
    if (given.secret !== undefined || (await this.clients.isRegistered(given.id))) {
      await this.require(request, form);
    }
  }

  private async refuse(request: FastifyRequest): Promise<never> {
    this.refusals.count('invalid_client', clientAddress(request));
    await this.limiter.enforce('client', request);
    throw refuseOAuth('invalid_client');
  }
}

/**
 * Returns the credentials of the client; undefined if the request names none. Throws 400 for two methods at once (RFC 6749, section 2.3).
 */
function credentialsOf(request: FastifyRequest, form: OAuthForm): Credentials | undefined {
  const { authorization } = request.headers;
  const posted = form['client_id'];
  if (authorization === undefined) {
    return posted === undefined ? undefined : { id: posted, secret: form['client_secret'] };
  }
  if (form['client_secret'] !== undefined) {
    throw refuseOAuth('invalid_request', 'The client authenticates with two methods');
  }
  const basic = basicOf(authorization);
  if (posted !== undefined && posted !== basic.id) {
    throw refuseOAuth('invalid_request', 'The two client ids are not the same');
  }
  return basic;
}

/** An unknown client if the header is not Basic. */
function basicOf(header: string): Credentials {
  const pair = Buffer.from(BASIC.exec(header)?.[1] ?? '', 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon === -1) return { id: '', secret: '' };
  return { id: decoded(pair.slice(0, colon)), secret: decoded(pair.slice(colon + 1)) };
}

/** Clients encode id and secret as form values before they encode them for Basic. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return '';
  }
}
