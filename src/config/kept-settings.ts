import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { environmentVariables } from './environment.js';
import type { Environment } from './environment.js';
import { readSecretFile, writeSynced } from './kept-secret.js';
import { given } from './secret-files.js';

/** Values of variables by name. */
export type Settings = Readonly<Record<string, string>>;

/** Beside the secrets, in a folder that nobody else can enter: it holds some itself. */
const FILE = 'settings.json';

/** They are for the first start alone, or they say where the file is and whether there is one. */
const NOT_KEPT = new Set(['ADMIN_USERNAME', 'ADMIN_PASSWORD', 'DATA_DIR', 'NODE_ENV']);

/**
 * Keeps what a node was started with as `<dataDir>/secrets/settings.json`, readable by its owner alone, so that commands work with the
 * settings of the node. Call it outside production only, and once the node has opened its key ring. Throws what the file system throws.
 */
export function keepSettings(
  env: NodeJS.ProcessEnv,
  dataDir: string,
  variables: typeof Environment,
  cwd: string = process.cwd(),
): void {
  const { values } = given(variables, env, cwd);
  const kept = Object.fromEntries(Object.entries(values).filter(([name]) => !NOT_KEPT.has(name)));
  if (kept['KEYS_DIR'] !== undefined) kept['KEYS_DIR'] = resolve(cwd, kept['KEYS_DIR']);
  const folder = join(dataDir, 'secrets');
  // Apart, because the embedded PostgreSQL's own user has to get into the outer one.
  mkdirSync(dataDir, { recursive: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, FILE);
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    writeSynced(draft, `${JSON.stringify(kept, null, 2)}\n`);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * What the last node on `dataDir` was started with; nothing if none has kept it, or if the node used another database than `used` says.
 * Throws what the file system throws, and an error if the file is damaged.
 */
export function keptSettings(
  dataDir: string,
  variables: typeof Environment,
  used: (databaseUrl: string | undefined) => boolean,
): Settings {
  const text = readSecretFile(join(dataDir, 'secrets', FILE));
  if (text === undefined) return {};
  const all = parsed(text);
  const kept: Record<string, string> = {};
  for (const name of environmentVariables(variables)) {
    const value = all[name];
    if (typeof value === 'string' && !NOT_KEPT.has(name)) kept[name] = value;
  }
  return used(kept['DATABASE_URL']) ? kept : {};
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // The parser's message would quote a secret.
  }
  throw new Error('damaged');
}
