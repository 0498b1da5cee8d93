import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { Config } from './config.js';
import { ConfigurationError } from './config.js';
import { Environment, environmentVariables } from './environment.js';
import type { SecretSource } from './environment.js';
import { ensureStoredSecret, readStoredSecret } from './stored-secret.js';
import { readStoredSettings } from './stored-settings.js';
import type { Settings } from './stored-settings.js';
import { valueFault } from './config-warnings.js';
import { readVariables } from './secret-files.js';

/**
 * Validates the environment, including the files that `<NAME>_FILE` names, by the rules of `variables`. An empty variable counts as
 * unset. Relative paths are resolved against `cwd`.
 *
 * Outside production, an unset secret is the one that the last node on the same database used. If there is none, it is created and
 * stored under `DATA_DIR`, so that later starts and other nodes use the same one. Throws {@link ConfigurationError} with all errors.
 */
export function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
  variables: typeof Environment = Environment,
): Config {
  const { environment, values } = validated(env, cwd, variables);
  const usesSameDatabase = (url: string | undefined) => url === values['DATABASE_URL'];
  return environment.toConfig(cwd, (variable, dataDir) => {
    const stored = storedUnder(dataDir, variables, usesSameDatabase)[variable];
    return stored ?? secretFrom(variable, () => ensureStoredSecret(dataDir, secretFile(variable)));
  });
}

/**
 * Like {@link loadConfig}, for a command. Outside production, an unset variable has the value that the last node under `DATA_DIR` used,
 * unless the environment names another database. Creates no secret: throws {@link ConfigurationError} if there is none for
 * `JWT_SECRET`.
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
  const stored = storedUnder(resolve(cwd, environment.DATA_DIR), variables, usesSameDatabase);
  return validated(env, cwd, variables, stored).environment.toConfig(cwd, existingSecretOnly);
}

/** `stored`: values for variables that the environment does not set. */
function validated(
  env: NodeJS.ProcessEnv,
  cwd: string,
  variables: typeof Environment,
  stored: Settings = {},
): { readonly environment: Environment; readonly values: Settings } {
  const { values: set, faults: files } = readVariables(variables, env, cwd);
  const values = { ...stored, ...set };
  const environment = plainToInstance(variables, values, { exposeDefaultValues: true });
  const faults = new Map(
    validateSync(environment, { stopAtFirstError: true }).map((error) => [
      error.property,
      Object.values(error.constraints ?? {}),
    ]),
  );
  // A mistake in the form of a value explains more than the rule that it breaks.
  for (const [name, value] of Object.entries(values)) {
    const fault = valueFault(name, value);
    if (fault !== undefined) faults.set(name, [fault]);
  }
  for (const [name, fault] of files) faults.set(name, [fault]);
  if (faults.size > 0)
    throw new ConfigurationError(environmentVariables(variables).flatMap((name) => faults.get(name) ?? []));
  return { environment, values };
}

function storedUnder(
  dataDir: string,
  variables: typeof Environment,
  used: (databaseUrl: string | undefined) => boolean,
): Settings {
  try {
    return readStoredSettings(dataDir, variables, used);
  } catch (cause) {
    const fault = `DATA_DIR contains secrets/settings.json, which cannot be read (${reasonOf(cause)}): restart a node, or delete the file`;
    throw new ConfigurationError([fault], { cause });
  }
}

function secretFrom(variable: string, read: () => string): string {
  try {
    return read();
  } catch (cause) {
    const fault = `${variable} must be set: DATA_DIR has no usable file secrets/${secretFile(variable)} (${reasonOf(cause)})`;
    throw new ConfigurationError([fault], { cause });
  }
}

const existingSecretOnly: SecretSource = (variable, dataDir, needed) => {
  const stored = secretFrom(variable, () => readStoredSecret(dataDir, secretFile(variable)) ?? '');
  if (stored !== '') return stored;
  if (!needed) return randomBytes(32).toString('base64url');
  throw new ConfigurationError([
    `${variable} must be set: no node has stored a secret in DATA_DIR. Start the service once, or set ${variable}`,
  ]);
};

/** The name of the file in `DATA_DIR/secrets` that stores the secret: `jwt-secret` for `JWT_SECRET`. */
function secretFile(variable: string): string {
  return variable.toLowerCase().replaceAll('_', '-');
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return 'code' in cause ? String(cause.code) : cause.message;
}
