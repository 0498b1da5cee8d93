/** Where a request came from, for the audit trail. */
export interface Origin {
  readonly ip: string | null;
  /** The user agent, cut at 256 characters. */
  readonly userAgent: string | null;
  readonly requestId: string | null;
  /** The operating system's name of the user of the command line. Undefined for requests. */
  readonly operator?: string;
}

/** The origin of what the service does on its own. */
export const NO_ORIGIN: Origin = { ip: null, userAgent: null, requestId: null };
