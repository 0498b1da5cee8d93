import { decodeProtectedHeader } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../src/audit/audit-context.js';
import { ChangeFeed } from '../../src/tokens/feed/change-feed.js';
import { KeyAdministrationService } from '../../src/tokens/keys/key-administration.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, login, refresh, until, verify } from '../helpers/client.js';

describe('the second after a key was distrusted', () => {
  let node: TestApp;
  let late: TestApp;
  beforeAll(async () => {
    node = await createTestApp();
    late = await createTestApp({ db: node.db });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(async () => {
    await late.close();
    await node.close();
  });

  /** `late` learns nothing of what `work` does, as if its next poll were still to come. */
  async function unnoticed<T>(work: () => Promise<T>): Promise<T> {
    const feed = late.app.get(ChangeFeed) as unknown as { poll(): Promise<void>; polling?: Promise<void> };
    await feed.polling;
    const poll = vi.spyOn(feed, 'poll').mockResolvedValue(undefined);
    try {
      return await work();
    } finally {
      poll.mockRestore();
    }
  }

  const distrust = async (token: string) => {
    const { kid } = decodeProtectedHeader(token);
    expect(await node.app.get(KeyAdministrationService).distrust(kid!, NO_ORIGIN)).toBe('distrusted');
  };

  it('a node that has not noticed yet signs with no distrusted key at a refresh or a login', async () => {
    const user = await aUser(node);
    const tokens = await login(late, user);
    const [refreshed, loggedIn] = await unnoticed(async () => {
      await distrust(tokens.access_token);
      expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
      return [await refresh(late, tokens.refresh_token), await login(late, user)] as const;
    });
    expect(await verify(node, refreshed.access_token)).toBe('204');
    expect(await verify(node, loggedIn.access_token)).toBe('204');
    await until(async () => (await verify(late, tokens.access_token)) === '401 token_revoked', 10_000);
  });

  it('a node that has not noticed yet accepts what the new key has signed', async () => {
    const tokens = await login(node, await aUser(node));
    const fresh = await unnoticed(async () => {
      await distrust(tokens.access_token);
      return refresh(node, tokens.refresh_token);
    });
    expect(await verify(late, fresh.access_token)).toBe('204');
  });
});
