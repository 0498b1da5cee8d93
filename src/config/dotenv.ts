import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, populate } from 'dotenv';
import { ConfigurationError } from './configuration-error.js';

/**
 * Adds what the file `.env` of the working directory sets and the environment does not. Silent, also about a missing
 * file; one that is there and cannot be read throws {@link ConfigurationError}.
 */
export function loadDotenv(cwd: string = process.cwd(), env: NodeJS.ProcessEnv = process.env): void {
  let text: string;
  try {
    text = readFileSync(join(cwd, '.env'), 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT') return;
    throw new ConfigurationError([`.env takes a readable file of variables (${String(code)})`], { cause });
  }
  // Not dotenv's config(): DOTENV_* variables could make it print, or override.
  populate(env as Record<string, string>, parse(text));
}
