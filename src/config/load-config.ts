import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { Config } from './config.js';
import { ConfigurationError } from './config.js';
import { Environment, environmentVariables } from './environment.js';
import type { SecretSource } from './environment.js';
import { existingSecret, keptSecret } from './kept-secret.js';
import { keptSettings } from './kept-settings.js';
import type { Settings } from './kept-settings.js';
import { faultOf } from './config-warnings.js';
import { given } from './secret-files.js';

/**
 * Validates the environment, with the files that `<NAME>_FILE` names, by the rules of `variables`. An empty variable counts as unset;
 * paths are taken from `cwd`.
 *
 * Outside production an unset secret is the one that the last node on the same database was started with. If there is none, it is made
 * and kept under `DATA_DIR`, so that the next start and a second node find the same. Throws {@link ConfigurationError} with every
 * fault at once.
 */
export function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
  variables: typeof Environment = Environment,
): Config {
  const { environment, values } = validated(env, cwd, variables);
  const usesSameDatabase = (url: string | undefined) => url === values['DATABASE_URL'];
  return environment.toConfig(cwd, (variable, dataDir) => {
    const kept = keptUnder(dataDir, variables, usesSameDatabase)[variable];
    return kept ?? secretFrom(variable, () => keptSecret(dataDir, secretFile(variable)));
  });
}

/**
 * The same for a command. Outside production, a variable that the environment does not set has the value that the last node under
 * `DATA_DIR` was started with, unless the environment names another database. No secret is made: without one for `JWT_SECRET` it throws
 * {@link ConfigurationError}.
 */
export function loadCommandConfig(
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
  variables: typeof Environment = Environment,
): Config {
  const { environment, values } = validated(env, cwd, variables);
  if (environment.NODE_ENV === 'production') return loadConfig(env, cwd, variables);
  const usesSameDatabase = (url: string | undefined) =>
    values['DATABASE_URL'] === undefined || url === values['DATABASE_URL'];
  const kept = keptUnder(resolve(cwd, environment.DATA_DIR), variables, usesSameDatabase);
  return validated(env, cwd, variables, kept).environment.toConfig(cwd, existing);
}

/** `kept`: for variables that the environment does not set. */
function validated(
  env: NodeJS.ProcessEnv,
  cwd: string,
  variables: typeof Environment,
  kept: Settings = {},
): { readonly environment: Environment; readonly values: Settings } {
  const { values: set, faults: files } = given(variables, env, cwd);
  const values = { ...kept, ...set };
  const environment = plainToInstance(variables, values, { exposeDefaultValues: true });
  const faults = new Map(
    validateSync(environment, { stopAtFirstError: true }).map((error) => [
      error.property,
      Object.values(error.constraints ?? {}),
    ]),
  );
  // Says more than that the value is not what it should be.
  for (const [name, value] of Object.entries(values)) {
    const odd = faultOf(name, value);
    if (odd !== undefined) faults.set(name, [odd]);
  }
  for (const [name, fault] of files) faults.set(name, [fault]);
  if (faults.size > 0)
    throw new ConfigurationError(environmentVariables(variables).flatMap((name) => faults.get(name) ?? []));
  return { environment, values };
}

function keptUnder(
  dataDir: string,
  variables: typeof Environment,
  used: (databaseUrl: string | undefined) => boolean,
): Settings {
  try {
    return keptSettings(dataDir, variables, used);
  } catch (cause) {
    const fault = `DATA_DIR holds secrets/settings.json, which cannot be read (${reasonOf(cause)}): start a node again, or remove the file`;
    throw new ConfigurationError([fault], { cause });
  }
}

function secretFrom(variable: string, read: () => string): string {
  try {
    return read();
  } catch (cause) {
    const fault = `${variable} takes a secret: it is unset, and none can be kept in DATA_DIR as secrets/${secretFile(variable)} (${reasonOf(cause)})`;
    throw new ConfigurationError([fault], { cause });
  }
}

const existing: SecretSource = (variable, dataDir, needed) => {
  const kept = secretFrom(variable, () => existingSecret(dataDir, secretFile(variable)) ?? '');
  if (kept !== '') return kept;
  if (!needed) return randomBytes(32).toString('base64url');
  throw new ConfigurationError([
    `${variable} takes a secret: it is unset, and no node has kept one under DATA_DIR. Start the service once, or set ${variable}`,
  ]);
};

/** The file under `DATA_DIR/secrets` that keeps the secret: `jwt-secret` for `JWT_SECRET`. */
function secretFile(variable: string): string {
  return variable.toLowerCase().replaceAll('_', '-');
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause ? String(cause.code) : cause.message;
}
