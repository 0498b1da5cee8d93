import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { environmentVariables } from './environment.js';
import type { Environment } from './environment.js';
import { readSecretFile, writeSynced } from './stored-secret.js';
import { readVariables } from './secret-files.js';

/** Values of variables by name. */
export type Settings = Readonly<Record<string, string>>;

/** In the folder of the secrets, which only its owner can enter, because the settings contain secrets too. */
const FILE = 'settings.json';

/** The first two are for the first start only. The others decide where the file is and whether it is used. */
const NOT_STORED = new Set(['ADMIN_USERNAME', 'ADMIN_PASSWORD', 'DATA_DIR', 'NODE_ENV']);

/**
 * Stores the settings of a node as `<dataDir>/secrets/settings.json`, so that commands use the same settings. Only the owner can read
 * the file. Call it only outside production, and after the node has opened its key ring. Throws file system errors.
 */
export function storeSettings(
  env: NodeJS.ProcessEnv,
  dataDir: string,
  variables: typeof Environment,
  cwd: string = process.cwd(),
): void {
  const { values } = readVariables(variables, env, cwd);
  const settings = Object.fromEntries(Object.entries(values).filter(([name]) => !NOT_STORED.has(name)));
  if (settings['KEYS_DIR'] !== undefined) settings['KEYS_DIR'] = resolve(cwd, settings['KEYS_DIR']);
  const folder = join(dataDir, 'secrets');
  // In two steps, because the user of the embedded PostgreSQL must be able to enter the outer folder.
  mkdirSync(dataDir, { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, FILE);
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    writeSynced(draft, `${JSON.stringify(settings, null, 2)}\n`);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Reads the settings of the last node on `dataDir`. Empty if no node has stored any, or if `used` returns false for the database URL of
 * that node. Throws file system errors, and an error if the file is damaged.
 */
export function readStoredSettings(
  dataDir: string,
  variables: typeof Environment,
  used: (databaseUrl: string | undefined) => boolean,
): Settings {
  const text = readSecretFile(join(dataDir, 'secrets', FILE));
  if (text === undefined) return {};
  const all = parsed(text);
  const settings: Record<string, string> = {};
  for (const name of environmentVariables(variables)) {
    const value = all[name];
    if (typeof value === 'string' && !NOT_STORED.has(name)) settings[name] = value;
  }
  return used(settings['DATABASE_URL']) ? settings : {};
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // The parser's message could contain a secret.
  }
  throw new Error('damaged');
}
