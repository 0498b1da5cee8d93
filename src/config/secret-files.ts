import { resolve } from 'node:path';
import { environmentVariables } from './environment.js';
import type { Environment } from './environment.js';
import { readText } from './file-text.js';

/** The variable that holds the path of a file with the secret: Docker and Kubernetes mount secrets as files. */
export function fileVariable(secret: string): string {
  return `${secret}_FILE`;
}

/** The values of the variables, including secrets from files. An empty variable counts as unset. */
export interface VariableValues {
  readonly values: Readonly<Record<string, string>>;
  /** Errors about secret files, in one line each, by the name of the secret. */
  readonly faults: ReadonlyMap<string, string>;
}

/**
 * Reads the variables from the environment. A secret whose variable is unset is read from the file that `<NAME>_FILE` names (a relative
 * path is resolved against `cwd`), without one trailing line break.
 */
export function readVariables(
  variables: typeof Environment,
  env: NodeJS.ProcessEnv,
  cwd: string,
): VariableValues {
  const values: Record<string, string> = {};
  const faults = new Map<string, string>();
  for (const name of environmentVariables(variables)) {
    const value = env[name];
    if (value !== undefined && value !== '') values[name] = value;
  }
  for (const name of variables.secrets) {
    const variable = fileVariable(name);
    const path = env[variable];
    if (path === undefined || path === '') continue;
    if (values[name] !== undefined) {
      faults.set(name, `${variable} must be unset because ${name} is set: set one of the two`);
      continue;
    }
    const file = readText(resolve(cwd, path));
    const text = file.fault === undefined ? file.text.replace(/\r?\n$/, '') : '';
    if (file.fault !== undefined) faults.set(name, `${variable} must be the path of ${file.fault}`);
    else if (text === '') faults.set(name, `${variable} must be the path of a file that is not empty`);
    else values[name] = text;
  }
  return { values, faults };
}
