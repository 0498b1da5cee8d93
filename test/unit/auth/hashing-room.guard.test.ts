import { Logger } from '@nestjs/common';
import { GUARDS_METADATA } from '@nestjs/common/constants.js';
import { describe, expect, it, vi } from 'vitest';
import { AuthController } from '../../../src/auth/auth.controller.js';
import { HashingRoomGuard } from '../../../src/auth/hashing-room.guard.js';
import { refuse } from '../../../src/common/common.errors.js';
import type { Clock } from '../../../src/common/clock.js';
import { RateLimitGuard } from '../../../src/limits/rate-limit.guard.js';
import type { PasswordHasher } from '../../../src/users/password-hasher.js';

describe('HashingRoomGuard', () => {
  let full = false;
  let now = 0;
  const hasher = {
    refuseIfFull() {
      if (full) throw refuse('service_unavailable', { headers: { 'Retry-After': '2' } });
    },
  } as PasswordHasher;
  const guard = new HashingRoomGuard(hasher, { monotonic: () => now } as Clock);

  it('lets logins pass while passwords can be checked, and refuses them when not', () => {
    expect(guard.canActivate()).toBe(true);
    full = true;
    expect(() => guard.canActivate()).toThrow(
      expect.objectContaining({ status: 503, headers: { 'Retry-After': '2' } }),
    );
    full = false;
    expect(guard.canActivate()).toBe(true);
  });

  it('says so once a second, and of how many', () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    full = true;
    now = 5_000;
    for (let call = 0; call < 100; call++) expect(() => guard.canActivate()).toThrow();
    now += 1_000;
    expect(() => guard.canActivate()).toThrow();
    expect(warn.mock.calls.map(([entry]) => (entry as { refused: number }).refused)).toEqual([1, 100]);
    warn.mockRestore();
  });

  it('comes before the limit, which would ask the database', () => {
    const login = Object.getOwnPropertyDescriptor(AuthController.prototype, 'login')?.value as object;
    const guards = Reflect.getMetadata(GUARDS_METADATA, login) as unknown[];
    expect(guards.slice(0, 2)).toEqual([HashingRoomGuard, RateLimitGuard]);
  });
});
