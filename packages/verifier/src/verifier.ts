import { refuseToken } from './auth-error.js';
import { KeyStore } from './keys/key-store.js';
import type { Principal } from './principal.js';
import { basicAuthorization, checkOptions } from './options.js';
import type { VerifierOptions } from './options.js';
import { presentedRequest } from './request.js';
import type { HeadersLike, RequestLike } from './request.js';
import { StatusError, unref } from './service/bounded-fetch.js';
import { MetadataError } from './service/metadata.js';
import { Service } from './service/service.js';
import { SessionAnswers } from './service/sessions.js';
import { VerifyEndpoint } from './service/verify-endpoint.js';
import { RevocationStream } from './stream/revocation-stream.js';
import { bearerIn } from './token.js';
import { TokenVerifier } from './token-verifier.js';

/** Says who makes a request. */
export interface Verifier {
  /**
   * The principal of a request, or of its headers. Rejects with an `AuthError`. Pass the request rather than its headers if you accept
   * sessions: without its method it counts as one that changes state.
   */
  verify(request: HeadersLike | RequestLike): Promise<Principal>;
  /**
   * Resolves when keys and revocations are known. Rejects if the settings are wrong or the verifier is closed; while the service cannot
   * be reached, it waits. You need not call it: until then, `verify` waits for the keys and asks the service about revocations.
   */
  ready(): Promise<void>;
  /** Ends all connections and timers. Later calls of `verify` get 503 unless everything is known already. */
  close(): void;
}

/** Milliseconds between two attempts of {@link Verifier.ready} to reach the service. */
const RETRY_MS = 1_000;

/** Statuses of the stream that no repetition changes: the client is unknown, lacks the scope, or the service has no stream. */
const WRONG_CLIENT: readonly number[] = [401, 403, 404];

/** Creates a verifier. With `client` it follows the service's revocations from now on. Throws a TypeError for wrong options. */
export function createVerifier(options: VerifierOptions): Verifier {
  checkOptions(options);
  return new ServiceVerifier(options);
}

/** The parts that verify a request. */
export interface VerifierParts {
  readonly tokens: Pick<TokenVerifier, 'verify'>;
  readonly sessions: Pick<SessionAnswers, 'principalOf'> | undefined;
}

/** A Bearer token counts before a session cookie, and its verdict is final. */
export async function principalOfRequest(
  { tokens, sessions }: VerifierParts,
  source: HeadersLike | RequestLike,
): Promise<Principal> {
  const request = presentedRequest(source);
  const token = bearerIn(request.header('authorization'));
  if (token === '') throw refuseToken('token_malformed');
  if (token !== undefined) return tokens.verify(token);
  const principal = await sessions?.principalOf(request);
  if (principal === undefined) throw refuseToken('token_missing');
  return principal;
}

class ServiceVerifier implements Verifier {
  private readonly closing = new AbortController();
  private readonly keys: KeyStore;
  private readonly stream: RevocationStream | undefined;
  private readonly parts: VerifierParts;

  constructor({ issuer, audience, client, sessions, fetch = globalThis.fetch }: VerifierOptions) {
    const { signal } = this.closing;
    const call = (url: string, init: RequestInit) => fetch(url, init);
    const service = new Service(issuer, call, signal);
    const endpoint = new VerifyEndpoint(issuer, call, signal);
    this.keys = new KeyStore(() => service.fetchKeys());
    if (client !== undefined) {
      this.stream = new RevocationStream({
        fetch: call,
        locate: () => service.revocationsEndpoint(),
        authorization: basicAuthorization(client),
        onKeys: (kids) => this.keys.expect(kids),
      });
    }
    const cookie = typeof sessions === 'object' ? sessions.cookie : undefined;
    this.parts = {
      tokens: new TokenVerifier({ issuer, audience, keys: this.keys, revocations: this.stream, endpoint }),
      sessions:
        sessions === undefined || sessions === false ? undefined : new SessionAnswers(endpoint, cookie),
    };
    this.stream?.start();
  }

  verify(request: HeadersLike | RequestLike): Promise<Principal> {
    return principalOfRequest(this.parts, request);
  }

  async ready(): Promise<void> {
    await this.keysAreKnown();
    for (;;) {
      const failure = await this.stream?.settled();
      if (failure === undefined) return;
      if (this.closing.signal.aborted || isFinal(failure)) throw failure;
    }
  }

  close(): void {
    this.closing.abort();
    this.stream?.close();
  }

  private async keysAreKnown(): Promise<void> {
    while (!this.keys.isLoaded) {
      try {
        await this.keys.refresh();
      } catch (error) {
        if (this.closing.signal.aborted || isFinal(error)) throw error;
        await this.pause();
      }
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.closing;
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = unref(setTimeout(end, RETRY_MS));
      signal.addEventListener('abort', end);
    });
  }
}

function isFinal(failure: unknown): boolean {
  return (
    failure instanceof MetadataError ||
    (failure instanceof StatusError && WRONG_CLIENT.includes(failure.status))
  );
}
