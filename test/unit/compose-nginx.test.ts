import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

/** The shell script of the service nginx. Compose reads `$$` as `$`. */
const [, block = ''] = /^ {6}- \|\n((?: {8}.*\n)+)/m.exec(readFileSync('compose.yaml', 'utf8'))!;
const script = block.replace(/^ {8}/gm, '').replaceAll('$$', '$');

describe('the nginx of compose.yaml', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tandem-compose-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('runs the example for nginx with both nodes, the product and a private listener that Docker can publish', () => {
    const example = readFileSync('examples/proxies/nginx.conf', 'utf8');
    writeFileSync(join(folder, 'example.conf'), example);
    const local = script
      .replace('/example/nginx.conf', join(folder, 'example.conf'))
      .replace('/etc/nginx/nginx.conf', join(folder, 'nginx.conf'));
    expect(local).toMatch(/\nexec nginx -g 'daemon off;'\n$/);
    execFileSync('sh', ['-c', local.replace(/exec nginx .*/, '')]);
    const lines = readFileSync(join(folder, 'nginx.conf'), 'utf8').split('\n');
    const changed = example.split('\n').flatMap((line, index) => (line === lines[index] ? [] : lines[index]));
    expect(changed).toEqual([
      '    server node-a:5000 max_fails=1 fail_timeout=2s; server node-b:5000 max_fails=1 fail_timeout=2s;',
      '    server product:80;',
      '    listen 8081;',
    ]);
  });
});
