import { join } from 'node:path';
import { parse, populate } from 'dotenv';
import { ConfigurationError } from './config.js';
import { Environment, environmentVariables } from './environment.js';
import { readText } from './file-text.js';
import { fileVariable } from './secret-files.js';

/**
 * Adds what the file `.env` of the working directory sets and the environment does not. Silent, also about a missing
 * file. A file that cannot be read, or that does not set a variable as it seems to, throws {@link ConfigurationError}.
 */
export function loadDotenv(
  cwd: string = process.cwd(),
  env: NodeJS.ProcessEnv = process.env,
  variables: typeof Environment = Environment,
): void {
  const file = readText(join(cwd, '.env'));
  if (file.fault !== undefined) {
    if (file.code === 'ENOENT') return;
    throw new ConfigurationError([`.env takes ${file.fault}`], { cause: file.cause });
  }
  const set = parse(file.text);
  const faults = faultsIn(file.text, set, variables);
  if (faults.length > 0) throw new ConfigurationError(faults);
  // Not dotenv's config(): DOTENV_* variables could make it print, or override.
  populate(env as Record<string, string>, set);
}

/** Lines that look as if they set one of our variables, and that dotenv passes over or cuts off. */
function faultsIn(text: string, set: Record<string, string>, variables: typeof Environment): string[] {
  const names = [...environmentVariables(variables), ...variables.secrets.map(fileVariable)];
  return names.flatMap((name) => {
    const line = new RegExp(`^[^#=\\n]*(?<![\\w.-])${name}[^\\S\\n]*[=:](.*)$`, 'm').exec(text);
    if (line === null) return [];
    if (set[name] === undefined) return [`.env takes ${name}=value on a line of its own for ${name}`];
    const value = line[1]!.trim();
    return /^[^\s#"'`][^#"'`]*(?<!\s)#/.test(value)
      ? [`.env takes quotes around the value of ${name}, which ends at its # without them`]
      : [];
  });
}
