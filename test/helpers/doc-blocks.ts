import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { INHERITED } from './inherited-environment.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** The URL of the service in the documents. */
const DOCUMENTED_URL = 'http://localhost:5000';

/** Timeout in milliseconds for the blocks of one language in one document. */
const BLOCKS_TIMEOUT = 180_000;

export interface Block {
  /** Number of the block's first line in the document. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** The files in a folder of the repository and its folders, relative to the root. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The text of a file of the repository. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The fenced blocks of a document, in order. Throws if a block names no language. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\S*)[^\n]*\n(.*?)^```$/gms)].map((match) => {
    const line = markdown.slice(0, match.index).split('\n').length + 1;
    if (match[1] === '') throw new Error(`the block at line ${line} names no language`);
    return { line, language: match[1]!, text: match[2]! };
  });
}

/** The blocks below a heading of the second level. Throws if there are none. */
function blocksBelow(markdown: string, section: string): Block[] {
  const lines = markdown.split('\n');
  const first = lines.indexOf(`## ${section}`);
  const next = lines.findIndex((line, index) => index > first && line.startsWith('## '));
  const last = next === -1 ? lines.length : next;
  const blocks = blocksOf(markdown).filter(({ line }) => first !== -1 && line > first && line <= last);
  if (blocks.length === 0) throw new Error(`there are no blocks below "${section}"`);
  return blocks;
}

/**
 * The bash script for a document: its blocks in one shell, until one fails. If a comment after a call starts with a status
 * (`curl … # 204`), curl must get that status. Otherwise the status must be below 400.
 */
function scriptOf(blocks: readonly Block[], statusFile: string): string {
  const prelude = `set -euo pipefail
shopt -s expand_aliases
curl() { command curl -sS --max-time 20 -w '%{stderr}status %{http_code}\\n' "$@" 2>>'${statusFile}'; }
got() {
  local line=$1 wanted=$2 status
  while read -r _ status; do
    if [ -n "$wanted" ] && [ "$status" != "$wanted" ]; then echo "line $line: got $status, not $wanted" >&2; exit 1; fi
    if [ -z "$wanted" ] && [ "$status" -ge 400 ]; then echo "line $line: got $status" >&2; exit 1; fi
  done < <(grep '^status' '${statusFile}' || true)
  if grep -v '^status' '${statusFile}' >&2; then exit 1; fi
  : > '${statusFile}'
}
: > '${statusFile}'
`;
  return prelude + blocks.map(({ line, text }) => checked(text, line)).join('\n');
}

/** The block, with a check of the statuses after each command that may have made a call. */
function checked(text: string, first: number): string {
  const lines = text.split('\n');
  return lines
    .map((line, index) => {
      // A command may span several lines. Its comment, and so the check, is on the last one.
      const ends = !line.endsWith('\\') && !inQuotes(lines.slice(0, index + 1).join('\n'));
      if (!ends || /^\s*(#|$)/.test(line) || /[{]$|^\s*(do|then|else|done|fi|for|if|while)\b/.test(line))
        return line;
      return `${line}\ngot ${first + index} "${/\s#\s*(\d{3})\b/.exec(line)?.[1] ?? ''}"`;
    })
    .join('\n');
}

function inQuotes(text: string): boolean {
  return (text.replace(/#.*$/gm, '').match(/(?<!\\)'/g) ?? []).length % 2 === 1;
}

/**
 * Runs the shell blocks of a document in one shell, then each TypeScript and Python block separately, against the service at `url`.
 * `env` holds the variables that the document expects. With `section`, only the blocks below that heading run. `moreUrls`: other URLs in the
 * document, and what they are in this run. Rejects with the output of the first block that fails.
 */
export async function runDocument(
  path: string,
  url: string,
  env: Readonly<Record<string, string>>,
  section?: string,
  moreUrls: Readonly<Record<string, string>> = {},
): Promise<void> {
  const markdown = await readFile(join(ROOT, path), 'utf8');
  const blocks = section === undefined ? blocksOf(markdown) : blocksBelow(markdown, section);
  const of = (...languages: string[]) => blocks.filter(({ language }) => languages.includes(language));
  // Inside the project, so that a block can import its packages. Not in `dist`, because a block may rebuild it.
  const folder = await mkdtemp(join(ROOT, 'test', 'documents-'));
  try {
    const urls = Object.entries({ [DOCUMENTED_URL]: url, ...moreUrls });
    const place = (text: string) => urls.reduce((placed, [from, to]) => placed.replaceAll(from, to), text);
    const run = async (command: string, file: string, text: string) => {
      await writeFile(join(folder, file), place(text));
      await exec(command, join(folder, file), { ...env, TANDEM_URL: url }, path);
    };
    for (const { text } of of('json')) JSON.parse(text);
    const shell = of('bash', 'sh');
    if (shell.length > 0) await run('bash', 'document.sh', scriptOf(shell, join(folder, 'statuses')));
    for (const { text, line } of of('typescript', 'ts'))
      await run(process.execPath, `line-${line}.mts`, text);
    for (const { text, line } of of('python')) await run('python3', `line-${line}.py`, text);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function exec(command: string, file: string, env: Record<string, string>, document: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [file], {
      cwd: ROOT,
      env: { ...INHERITED, HOME: process.env['HOME'], NODE_NO_WARNINGS: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: BLOCKS_TIMEOUT,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${document}: ${command} ended with ${signal ?? code}\n${output}`));
    });
  });
}
