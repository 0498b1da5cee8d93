/** The validated configuration. Durations are in seconds unless a name says otherwise. The transition extends this type. */
export interface Config {
  readonly production: boolean;
  readonly port: number;
  readonly host: string;
  /** The number of worker processes. 1: a single node without a supervisor. */
  readonly workers: number;
  /** The URL of the database. If it is undefined, the embedded PostgreSQL under `dataDir` is used. */
  readonly databaseUrl: string | undefined;
  /** The schema of the tables of this service. */
  readonly databaseSchema: string;
  /** Connections of this node, without those of the revocation feed. */
  readonly databasePoolSize: number;
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
  /** The issuer of tokens. If it is undefined, it is the URL of the first node, stored in the database. */
  readonly jwtIssuer: string | undefined;
  /** The path of `jwtIssuer`. A proxy serves the service under this path and strips it. Empty: the service is at the root. */
  readonly pathPrefix: string;
  readonly jwtAudience: string;
  /** Canonical origins (`new URL(x).origin`). */
  readonly corsOrigins: readonly string[];
  /** Whether the administrators' console is served at `/console`. */
  readonly console: boolean;
  /** The only origin of the console, and where alone administrators sign in by cookie. Undefined: any. */
  readonly consoleOrigin: string | undefined;
  readonly clockTolerance: number;
  readonly passwordMinLength: number;
  readonly authRateLimit: number;
  readonly authRateWindow: number;
  /** Days that audit events are kept; 0: forever. */
  readonly auditRetentionDays: number;
  /** The trusted proxies: a number of hops, or addresses and CIDRs. If it is undefined, no proxy is trusted. */
  readonly trustProxy: number | readonly string[] | undefined;
  /** The role of administrators; undefined: the stored one, or `admin` in a new installation. */
  readonly adminRole: string | undefined;
  /** Whether the product may make and change administrators. */
  readonly productMayMakeAdmins: boolean;
  readonly adminUsername: string | undefined;
  readonly adminPassword: string | undefined;
  /** Where webhooks go; undefined: there are none. */
  readonly webhookUrl: string | undefined;
  /** `whsec_` and a key in base64. Set if and only if `webhookUrl` is. */
  readonly webhookSecret: string | undefined;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
}

/** Injection token of the validated {@link Config}. */
export const CONFIG = Symbol('CONFIG');

/** The configuration is invalid. Each fault is one line that names its variable and contains no value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  constructor(
    readonly faults: readonly string[],
    options?: ErrorOptions,
  ) {
    super(faults.join('\n'), options);
  }
}
