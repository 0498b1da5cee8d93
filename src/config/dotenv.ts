import { join } from 'node:path';
import { parse, populate } from 'dotenv';
import { ConfigurationError } from './config.js';
import { Environment, environmentVariables } from './environment.js';
import { readText } from './file-text.js';
import { fileVariable } from './secret-files.js';

/**
 * Adds the variables of the `.env` file in `cwd` to `env`. Variables that `env` has already stay. A missing file is not an error.
 * Throws {@link ConfigurationError} if the file cannot be read or if one of its lines does not set a variable as it seems to.
 */
export function loadDotenv(
  cwd: string = process.cwd(),
  env: NodeJS.ProcessEnv = process.env,
  variables: typeof Environment = Environment,
): void {
  const file = readText(join(cwd, '.env'));
  if (file.fault !== undefined) {
    if (file.code === 'ENOENT') return;
    throw new ConfigurationError([`.env must be ${file.fault}`], { cause: file.cause });
  }
  const set = parse(file.text);
  const faults = faultsIn(file.text, set, variables);
  if (faults.length > 0) throw new ConfigurationError(faults);
  // Not dotenv's config(): DOTENV_* variables could make it print or override variables.
  populate(env as Record<string, string>, set);
}

/** Finds lines that look as if they set one of our variables, but that dotenv ignores or truncates. */
function faultsIn(text: string, set: Record<string, string>, variables: typeof Environment): string[] {
  const names = [...environmentVariables(variables), ...variables.secrets.map(fileVariable)];
  return names.flatMap((name) => {
    const line = new RegExp(`^[^#=\\n]*(?<![\\w.-])${name}[^\\S\\n]*[=:](.*)$`, 'm').exec(text);
    if (line === null) return [];
    if (set[name] === undefined) return [`.env must set ${name} on a line of its own, as ${name}=value`];
    const value = line[1]!.trim();
    return /^[^\s#"'`][^#"'`]*(?<!\s)#/.test(value)
      ? [`.env must quote the value of ${name}: without quotes it ends at the #`]
      : [];
  });
}
