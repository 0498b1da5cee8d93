/** Where a request came from, as audit keeps it. */
export interface Origin {
  readonly ip: string | null;
  /** At most 256 characters. */
  readonly userAgent: string | null;
  readonly requestId: string | null;
  /** The name in the operating system of whoever used the command line; undefined for requests. */
  readonly operator?: string;
}

/** For what the service does by itself. */
export const NO_ORIGIN: Origin = { ip: null, userAgent: null, requestId: null };
