import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

/** The content types of the files that are served. A file of another type, such as a source map, is not. */
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};

/** Compressing the others again would make them no smaller. */
const IS_TEXT = /^(?:text|application)\/|svg/;

/** The build writes the address under which it expects to be served. */
const BASE = /<base href="\/console\/" *\/?>/;

/** The best quality takes more than a second at the start, in which no connection opens, and saves little. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };

export type Encoding = 'br' | 'gzip' | 'identity';

/** A file of the console, held in memory in every encoding. */
export interface ConsoleFile {
  readonly type: string;
  readonly etag: string;
  /** Whether the name contains a hash of the content, so that the file never changes. */
  readonly isImmutable: boolean;
  readonly bodies: Readonly<Partial<Record<Encoding, Buffer>>> & { readonly identity: Buffer };
}

/** The files that the build of `packages/console` made. They are read once, so no request can name another file. */
export class ConsoleFiles {
  private constructor(private readonly files: ReadonlyMap<string, ConsoleFile>) {}

  /** Returns no files, for a node without the console. */
  static none(): ConsoleFiles {
    return new ConsoleFiles(new Map());
  }

  /** Reads a folder. There are no files if it has no `index.html`. `pathPrefix`: the path under which a proxy serves the service. */
  static read(folder: string, pathPrefix: string): ConsoleFiles {
    if (!existsSync(join(folder, 'index.html'))) return ConsoleFiles.none();
    const files = new Map<string, ConsoleFile>();
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const type = TYPES[extname(entry.name)];
      if (type === undefined || !entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const name = relative(folder, path).split(sep).join('/');
      const content = readFileSync(path);
      const page = name === 'index.html' ? withBase(content, pathPrefix) : content;
      files.set(name, fileOf(page, type, name.startsWith('assets/')));
    }
    return new ConsoleFiles(files);
  }

  get isBuilt(): boolean {
    return this.files.size > 0;
  }

  /**
   * The file at a path below `/console/`. Paths that name no file belong to the pages of the console, which share one file. Undefined for a
   * file that does not exist.
   */
  find(path: string): ConsoleFile | undefined {
    return this.files.get(path) ?? (isPage(path) ? this.files.get('index.html') : undefined);
  }
}

/** The folder of the build, whether this file is compiled or not. */
export function consoleFolder(): string {
  const root = ['../../..', '../../../..']
    .map((path) => join(import.meta.dirname, path))
    .find((folder) => existsSync(join(folder, 'packages', 'console')));
  return join(root ?? import.meta.dirname, 'packages', 'console', 'dist');
}

function isPage(path: string): boolean {
  return !path.startsWith('assets/') && !path.includes('.');
}

function withBase(page: Buffer, pathPrefix: string): Buffer {
  return Buffer.from(page.toString('utf8').replace(BASE, () => `<base href="${pathPrefix}/console/">`));
}

function fileOf(content: Buffer, type: string, isImmutable: boolean): ConsoleFile {
  const compressed = IS_TEXT.test(type)
    ? { br: brotliCompressSync(content, BROTLI), gzip: gzipSync(content) }
    : {};
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  return { type, etag, isImmutable, bodies: { identity: content, ...compressed } };
}
