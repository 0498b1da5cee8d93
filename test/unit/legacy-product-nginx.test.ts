import { expect, it } from 'vitest';
import { read } from '../helpers/doc-blocks.js';

/** The directives of a configuration, without those that its reader replaces: they follow a comment with CHANGE. */
function directives(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
  return lines.filter(
    (line, index) => line !== '' && !line.startsWith('#') && !lines[index - 1]?.includes('CHANGE'),
  );
}

it('the proxy of the example product keeps every directive of the nginx example', () => {
  const product = new Set(directives(read('examples/legacy-product/nginx.conf')));
  const missing = directives(read('examples/proxies/nginx.conf')).filter((line) => !product.has(line));
  // This location passes requests on to one of two services.
  expect(missing.filter((line) => line !== 'proxy_pass http://product;')).toEqual([]);
});
