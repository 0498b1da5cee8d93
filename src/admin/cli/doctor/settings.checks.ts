import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { counted } from '../../../common/text.js';
import { sameSecret } from '../../../common/crypto/constant-time.js';
import type { Config } from '../../../config/config.js';
import { WEAKNESS_WARNING, configWarnings } from '../../../config/config-warnings.js';
import { isLoopback } from '../../../config/value-checks.js';
import { isStrongSecret } from '../../../config/secret-strength.js';
import { fail, ok, warn } from './doctor-check.js';
import type { Finding } from './doctor-check.js';

const GUESSES_PER_MINUTE_WARNING = 1_000;

/** Checks the settings. Needs no database. */
export async function settingsChecks(config: Config): Promise<Finding[]> {
  return [
    ...secrets(config),
    ...(await files(config)),
    ...cookies(config),
    ...limits(config),
    ...configWarnings(config)
      .filter((line) => !line.startsWith(WEAKNESS_WARNING))
      .map((line) => warn('settings', line, 'see .env.example')),
  ];
}

function secrets({ jwtSecret, jwtSecretPrevious }: Config): Finding[] {
  const findings = [
    isStrongSecret(jwtSecret)
      ? ok('jwt_secret', 'long enough and hard to guess')
      : warn(
          'jwt_secret',
          WEAKNESS_WARNING,
          'generate a new one (openssl rand -base64 48) and move the current one to JWT_SECRET_PREVIOUS',
        ),
  ];
  if (sameSecret(jwtSecretPrevious, jwtSecret))
    findings.push(
      warn(
        'jwt_secret_previous',
        'JWT_SECRET_PREVIOUS equals JWT_SECRET',
        'set it to the previous secret, or unset it',
      ),
    );
  return findings;
}

/** Fails if other users can read the secrets or write to KEYS_DIR. */
async function files({ dataDir, keysDir }: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [path, why] of [
    [join(dataDir, 'secrets'), 'it holds JWT_SECRET'],
    [join(dataDir, 'postgres.password'), 'it opens the embedded database'],
  ] as const) {
    const mode = await stat(path).then(
      ({ mode: bits }) => bits,
      () => 0,
    );
    if ((mode & 0o077) !== 0)
      findings.push(fail('data_dir', `other users can read ${path}; ${why}`, `chmod go= ${path}`));
  }
  const keys = await stat(keysDir).catch(() => undefined);
  if (keys !== undefined && (keys.mode & 0o022) !== 0)
    findings.push(
      fail(
        'keys_dir',
        `other users can add keys to ${keysDir}`,
        `chmod go-w ${keysDir}: the service imports keys from there`,
      ),
    );
  return findings.length > 0 ? findings : [ok('files', 'only the owner can read secrets and add keys')];
}

function cookies({ jwtIssuer, corsOrigins, production }: Config): Finding[] {
  const findings: Finding[] = [];
  const issuer = jwtIssuer === undefined ? undefined : new URL(jwtIssuer);
  if (issuer?.protocol === 'http:' && !isLoopback(issuer.hostname))
    findings.push(
      fail(
        'cookies',
        'JWT_ISSUER is an http URL: browsers drop the Secure cookie refresh_token over http',
        'terminate TLS in front of the service, and set JWT_ISSUER to the https URL',
      ),
    );
  const elsewhere = corsOrigins.filter(
    (origin) => issuer !== undefined && !isSameSite(new URL(origin), issuer),
  );
  if (elsewhere.length > 0)
    findings.push(
      warn(
        'cookies',
        `${elsewhere.join(', ')} may not be on the same site as ${issuer!.origin}: its pages do not send the ` +
          'SameSite=Strict cookie',
        'send refresh tokens in the body there, or serve both under one domain',
      ),
    );
  if (findings.length === 0)
    findings.push(
      ok('cookies', `HttpOnly, SameSite, Secure${production ? '' : ' (sessions: in production)'}`),
    );
  return findings;
}

function limits({ authRateLimit, authRateWindow, trustProxy, host }: Config): Finding[] {
  const perMinute = Math.round((authRateLimit * 60) / authRateWindow);
  const findings = [
    perMinute > GUESSES_PER_MINUTE_WARNING
      ? warn(
          'rate_limit',
          `${perMinute} calls per minute and address allow password guessing`,
          'lower AUTH_RATE_LIMIT',
        )
      : ok('rate_limit', `${counted(authRateLimit, 'call')} in ${authRateWindow} s per address and route`),
  ];
  if (trustProxy === undefined && !isLoopback(host))
    findings.push(
      warn(
        'trust_proxy',
        `the service listens on ${host} and TRUST_PROXY is unset`,
        'behind a load balancer, set TRUST_PROXY to its addresses: otherwise all clients share one limit',
      ),
    );
  return findings;
}

/** Compares the last two labels: an approximation that does not use the public suffix list. */
function isSameSite(one: URL, other: URL): boolean {
  const site = ({ hostname }: URL) =>
    /[a-z]/i.test(hostname) && !hostname.startsWith('[') ? hostname.split('.').slice(-2).join('.') : hostname;
  return site(one) === site(other) && one.protocol === other.protocol;
}
