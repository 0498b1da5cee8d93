import { importJwkSet } from '../keys/jwk-set.js';
import type { PublicKeys } from '../keys/jwk-set.js';
import { fetchJson } from './bounded-fetch.js';
import type { Fetch } from './bounded-fetch.js';
import { MetadataError, fetchMetadata } from './metadata.js';
import type { Metadata } from './metadata.js';

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 262_144;

/** Finds what the service publishes, by the metadata of its issuer. */
export class Service {
  private metadata: Promise<Metadata> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly fetch: Fetch,
    private readonly signal: AbortSignal,
  ) {}

  async fetchKeys(): Promise<PublicKeys> {
    const { jwksUri } = await this.locate();
    const { fetch, signal } = this;
    return importJwkSet(
      await fetchJson(fetch, jwksUri, { timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES, signal }),
    );
  }

  /** The address of the stream. */
  async revocationsEndpoint(): Promise<string> {
    const { revocationsEndpoint } = await this.locate();
    if (revocationsEndpoint !== undefined) return revocationsEndpoint;
    // The service may be upgraded.
    this.metadata = undefined;
    throw new MetadataError(`${this.issuer} has no stream of revocations: it needs release 0.2.0`);
  }

  /** Reads the metadata once. A failure is not kept. */
  private locate(): Promise<Metadata> {
    this.metadata ??= fetchMetadata(this.fetch, this.issuer, this.signal).catch((error: unknown) => {
      this.metadata = undefined;
      throw error;
    });
    return this.metadata;
  }
}
