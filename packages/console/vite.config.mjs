import { join } from 'node:path';
import { defineConfig } from 'vite';

const client = join(import.meta.dirname, '../client/src');

/** The service serves what is built below `dist`. Names of assets contain a hash, so that caches may keep them. */
export default defineConfig({
  root: import.meta.dirname,
  // The page may be anywhere below a path prefix: see `<base>` in index.html.
  base: './',
  resolve: {
    alias: [
      { find: /^@tandem-auth\/client$/, replacement: join(client, 'index.ts') },
      { find: /^@tandem-auth\/client\/(\w+)$/, replacement: join(client, '$1.ts') },
    ],
  },
  build: {
    outDir: 'dist',
    target: 'es2022',
    // A data: URL would need a weaker content security policy.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 600,
    license: { fileName: 'licences.txt' },
  },
});
