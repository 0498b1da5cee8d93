import { resolve } from 'node:path';
import { environmentVariables } from './environment.js';
import type { Environment } from './environment.js';
import { readText } from './file-text.js';

/** Docker and Kubernetes mount secrets as files: this variable holds the path of one. */
export function fileVariable(secret: string): string {
  return `${secret}_FILE`;
}

/** What the environment sets, files of secrets included. An empty variable counts as unset. */
export interface Given {
  readonly values: Readonly<Record<string, string>>;
  /** By the name of the secret: what is wrong with its file, in one line. */
  readonly faults: ReadonlyMap<string, string>;
}

/**
 * The values of the variables in the environment. A secret whose variable is unset is read from the file that `<NAME>_FILE` names (a
 * relative path is taken from `cwd`), without the one line break that editors put at the end.
 */
export function given(variables: typeof Environment, env: NodeJS.ProcessEnv, cwd: string): Given {
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
      faults.set(name, `${variable} takes a path only if ${name} is unset: set one of the two`);
      continue;
    }
    const file = readText(resolve(cwd, path));
    const text = file.fault === undefined ? file.text.replace(/\r?\n$/, '') : '';
    if (file.fault !== undefined) faults.set(name, `${variable} takes the path of ${file.fault}`);
    else if (text === '') faults.set(name, `${variable} takes the path of a file that is not empty`);
    else values[name] = text;
  }
  return { values, faults };
}
