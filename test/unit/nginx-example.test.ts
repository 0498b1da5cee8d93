import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const text = readFileSync('deploy/nginx.conf', 'utf8').replace(/#.*$/gm, '');

/** The directives of a location that has no braces inside, one a line. */
function directivesOf(location: string): string[] {
  const start = text.indexOf(`location ${location} {`);
  const body = text.slice(text.indexOf('{', start) + 1, text.indexOf('}', start));
  return body
    .split(';')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '');
}

describe('the nginx example', () => {
  it('names the method of the client’s request in both headers, even if the client sent other values', () => {
    const asking = directivesOf('= /_verify');
    expect(asking).toEqual(
      expect.arrayContaining([
        'proxy_method GET',
        'proxy_set_header X-Original-Method $request_method',
        'proxy_set_header X-Forwarded-Method $request_method',
        'proxy_set_header Upgrade $http_upgrade',
      ]),
    );
  });

  it.each(['User-Id', 'External-Id', 'Role', 'Scheme'])(
    'takes X-Auth-%s from the answer and never from the client',
    (name) => {
      const variable = name.toLowerCase().replace('-', '_');
      const guarded = directivesOf('/protected/');
      expect(guarded).toContain(`auth_request_set $auth_${variable} $upstream_http_x_auth_${variable}`);
      expect(guarded).toContain(`proxy_set_header X-Auth-${name} $auth_${variable}`);
      expect(directivesOf('= /_verify')).toContain(`proxy_set_header X-Auth-${name} ""`);
    },
  );

  it('passes on the code of a refusal and the cookie of a session that was extended', () => {
    expect(directivesOf('/protected/')).toEqual(
      expect.arrayContaining([
        'add_header X-Auth-Error $auth_error always',
        'add_header Set-Cookie $auth_cookie',
      ]),
    );
  });
});
