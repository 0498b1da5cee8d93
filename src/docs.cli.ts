import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { AppModule, ERRORS } from './app.module.js';
import { buildOpenApi } from './app.openapi.js';
import { fastifyAdapter } from './app.setup.js';
import { loadConfig } from './config/load-config.js';
import { errorsDocument } from './docs.errors.js';

const USAGE = `Usage: node dist/src/docs.cli.js [errors] [openapi] [--check]

  errors    writes docs/errors.md from the error tables
  openapi   writes docs/openapi.json from the controllers
  --check   writes nothing and exits 1 if a file is not what would be written

Without a name, writes all of them. Needs no database.
`;

/** The generated documents: path below the project's root, and how to make the text. The same code gives the same text. */
const DOCUMENTS = {
  errors: { path: 'docs/errors.md', make: () => errorsDocument(ERRORS) },
  openapi: { path: 'docs/openapi.json', make: openApiDocument },
} as const;

type DocumentName = keyof typeof DOCUMENTS;

/** In a preview Nest reads the decorators only. It creates no provider, so nothing connects to a database. */
async function openApiDocument(): Promise<string> {
  const config = loadConfig({ JWT_SECRET: 'unused' });
  const app = await NestFactory.create(
    AppModule.forRoot(config, 'postgresql://localhost/unused'),
    fastifyAdapter(config),
    { preview: true, logger: false, abortOnError: false },
  );
  return `${JSON.stringify(buildOpenApi(app), null, 2)}\n`;
}

function isDocumentName(word: string): word is DocumentName {
  return Object.hasOwn(DOCUMENTS, word);
}

/** The exit code: 0 up to date, 1 stale, 2 wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const words = args.filter((word) => word !== '--check');
  if (!words.every(isDocumentName)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const names = words.length > 0 ? words : (Object.keys(DOCUMENTS) as DocumentName[]);
  let code = 0;
  for (const name of names) {
    const { path, make } = DOCUMENTS[name];
    const file = join(process.cwd(), path);
    const wanted = await make();
    const present = await readFile(file, 'utf8').catch(() => undefined);
    if (present === wanted) continue;
    if (args.includes('--check')) {
      process.stderr.write(`${path} is stale: run npm run docs\n`);
      code = 1;
    } else {
      await writeFile(file, wanted);
      process.stdout.write(`wrote ${path}\n`);
    }
  }
  return code;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  },
);
