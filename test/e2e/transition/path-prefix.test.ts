import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, get, login, post, refreshCookie } from '../../helpers/client.js';
import { SECRET, bySession, sessionLogin } from './session-client.js';
import { withRollout } from './session-nodes.js';

const ISSUER = 'https://example.com/tenant';

describe('the transition behind a path prefix', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { JWT_ISSUER: ISSUER, SESSION_SECRET: SECRET } });
  });
  afterAll(() => node.close());

  it('clears the refresh cookie below the prefix at a downgrade', async () => {
    const { refresh_token } = await login(node, await aUser(node));
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    expect(refreshCookie(reply)).toMatchObject({ value: '', path: '/tenant/auth' });
  });

  it('links to its own pages below the prefix', async () => {
    const pages = ['/transition/guide', '/transition/developers'];
    const guide = (await Promise.all(pages.map((url) => get(node, url)))).map(({ body }) => body).join('');
    const links = [...guide.matchAll(/href="([^"]*)"/g)].map(([, url]) => url);
    expect(links).toEqual(['/tenant/transition/developers', '/tenant/auth/migration', '/tenant/docs']);
    expect(guide).not.toContain('{{');
    const { banner } = (await get(node, '/auth/migration')).json<{ banner: { guide_url: string } }>();
    expect(banner.guide_url).toBe(`${ISSUER}/transition/guide`);
    const user = await aUser(node);
    const cookie = await sessionLogin(node, user);
    await withRollout(node, { phase: 'deprecation_notice' }, async () => {
      const { headers } = await bySession(node, cookie, { url: '/api/users/me' });
      expect(headers.link).toBe(`<${ISSUER}/transition/guide>; rel="deprecation"`);
    });
  });

  it('has its banner ask the service that the banner came from', async () => {
    const asked: string[] = [];
    class HTMLScriptElement {
      src = `${ISSUER}/transition/banner.js`;
      dataset = {};
    }
    runInNewContext((await get(node, '/transition/banner.js')).body, {
      HTMLScriptElement,
      URL,
      document: { currentScript: new HTMLScriptElement(), body: {} },
      fetch: (url: URL) => {
        asked.push(url.href);
        return Promise.resolve({ ok: false });
      },
    });
    expect(asked).toEqual([`${ISSUER}/auth/migration`]);
  });
});
