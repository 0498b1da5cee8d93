import { describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { Config } from '../../../src/config/config.js';
import type { LoginEnder } from '../../../src/tokens/login-ender.service.js';
import { RefreshTokenCodec } from '../../../src/tokens/refresh-token.codec.js';
import { RefreshTokenService } from '../../../src/tokens/refresh-token.service.js';
import type { Login, RefreshTokenStore } from '../../../src/tokens/refresh-token.store.js';

const config = { jwtSecret: 'a secret', refreshReuseGrace: 10, refreshLostResponseWindow: 60 } as Config;

describe('RefreshTokenService', () => {
  it('tells the client to come back when every race is lost, and never that its token is bad', async () => {
    const codec = new RefreshTokenCodec(config);
    const family = { sid: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a02', secret: Buffer.alloc(32, 1) };
    const login = { ...family, generation: 0, confirmedGeneration: 0, macKey: codec.currentKey } as Login;
    const rotate = vi.fn().mockResolvedValue(undefined);
    const store = { find: () => Promise.resolve(login), rotate } as unknown as RefreshTokenStore;
    const ender = { mayGoOn: () => Promise.resolve(true) } as unknown as LoginEnder;
    const service = new RefreshTokenService(store, codec, ender, config);
    const admit = vi.fn();
    const token = codec.mint(family, 0, codec.currentKey)!;
    await expect(service.present(token, admit, NO_ORIGIN)).rejects.toMatchObject({ status: 503 });
    expect(rotate.mock.calls.length).toBeLessThanOrEqual(10);
    expect(admit).toHaveBeenCalledTimes(1);
  });
});
