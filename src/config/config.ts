/** The validated configuration. Durations are in seconds unless a name says otherwise. The transition has more, in a type of its own. */
export interface Config {
  readonly production: boolean;
  readonly port: number;
  readonly host: string;
  /** Nodes that one supervisor keeps running; 1: a node without a supervisor. */
  readonly workers: number;
  /** Undefined: the embedded PostgreSQL under `dataDir`. */
  readonly databaseUrl: string | undefined;
  /** Absolute. */
  readonly dataDir: string;
  readonly jwtSecret: string;
  readonly jwtSecretPrevious: string | undefined;
  /** Absolute. */
  readonly keysDir: string;
  readonly rsaModulusBits: 2048 | 3072 | 4096;
  readonly tokenExpiry: number;
  readonly refreshTokenExpiry: number;
  readonly refreshFamilyExpiry: number;
  readonly refreshReuseGrace: number;
  readonly refreshLostResponseWindow: number;
  /** Undefined: the first node's URL, kept in the database. */
  readonly jwtIssuer: string | undefined;
  /** The path of `jwtIssuer`: a proxy serves the service below it and strips it. Empty: at the root of its origin. */
  readonly pathPrefix: string;
  readonly jwtAudience: string;
  /** Canonical origins (`new URL(x).origin`). */
  readonly corsOrigins: readonly string[];
  readonly clockTolerance: number;
  readonly passwordMinLength: number;
  readonly authRateLimit: number;
  readonly authRateWindow: number;
  /** Days that audit events are kept; 0: for ever. */
  readonly auditRetentionDays: number;
  /** Undefined: trust nobody. A number: that many hops. Strings: addresses or CIDRs. */
  readonly trustProxy: number | readonly string[] | undefined;
  readonly adminUsername: string | undefined;
  readonly adminPassword: string | undefined;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
}

/** Injection token of the validated {@link Config}. */
export const CONFIG = Symbol('CONFIG');

/** The environment does not allow a start. Each fault is one line that names its variable, and holds no value of any. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  constructor(
    readonly faults: readonly string[],
    options?: ErrorOptions,
  ) {
    super(faults.join('\n'), options);
  }
}
