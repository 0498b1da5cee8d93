import { Logger } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { GUARDS_METADATA } from '@nestjs/common/constants.js';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthController } from '../../../src/auth/auth.controller.js';
import { LoadSheddingGuard } from '../../../src/auth/login/load-shedding.guard.js';
import type { KnownDevicesService } from '../../../src/auth/login/known-devices.service.js';
import { refuse } from '../../../src/common/common.errors.js';
import type { Clock } from '../../../src/common/clock.js';
import { RateLimitGuard } from '../../../src/limits/rate-limit.guard.js';
import type { PasswordHasher } from '../../../src/users/hashing/password-hasher.js';
import type { Share } from '../../../src/users/hashing/work-queue.js';

describe('LoadSheddingGuard', () => {
  const full = new Set<Share>();
  let now = 0;
  const device = { userId: 'u', bucket: 'device_family', id: 's' } as const;
  const hasher = {
    refuseIfFull(share: Share) {
      if (full.has(share)) throw refuse('service_unavailable', { headers: { 'Retry-After': '2' } });
    },
  };
  const devices = { mayKnow: vi.fn(() => false), find: vi.fn(() => Promise.resolve(device)) };
  let guard: LoadSheddingGuard;
  const ask = (request: object = {}) =>
    guard.canActivate({ switchToHttp: () => ({ getRequest: () => request }) } as ExecutionContext);

  beforeEach(() => {
    guard = new LoadSheddingGuard(
      hasher as unknown as PasswordHasher,
      devices as unknown as KnownDevicesService,
      { monotonic: () => now } as Clock,
    );
    full.clear();
    devices.mayKnow.mockReturnValue(false);
    devices.find.mockClear();
  });

  it('lets logins pass while passwords can be checked, and refuses them otherwise', async () => {
    expect(await ask()).toBe(true);
    full.add('unknown');
    await expect(ask()).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '2' } });
    full.clear();
    expect(await ask()).toBe(true);
  });

  it('makes no query for a request without a credential of a device', async () => {
    await ask();
    expect(devices.find).not.toHaveBeenCalled();
  });

  it('lets a known device pass while unknown clients fill their share, and passes the device on', async () => {
    full.add('unknown');
    devices.mayKnow.mockReturnValue(true);
    const request = {};
    expect(await ask(request)).toBe(true);
    expect(request).toEqual({ knownDevice: device });
    full.add('known');
    await expect(ask()).rejects.toMatchObject({ status: 503 });
  });

  it('logs once a second how many logins it refused', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    full.add('unknown');
    now = 5_000;
    for (let call = 0; call < 100; call++) await expect(ask()).rejects.toThrow();
    now += 1_000;
    await expect(ask()).rejects.toThrow();
    expect(warn.mock.calls.map(([entry]) => (entry as { refused: number }).refused)).toEqual([1, 100]);
    warn.mockRestore();
  });

  it('runs before the rate limit, which would query the database', () => {
    const login = Object.getOwnPropertyDescriptor(AuthController.prototype, 'login')?.value as object;
    const guards = Reflect.getMetadata(GUARDS_METADATA, login) as unknown[];
    expect(guards.slice(0, 2)).toEqual([LoadSheddingGuard, RateLimitGuard]);
  });
});
