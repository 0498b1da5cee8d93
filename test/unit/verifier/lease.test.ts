import { beforeEach, describe, expect, it } from 'vitest';
import { LEASE_MS, Lease } from '../../../packages/verifier/src/stream/lease.js';

/** The service's monotonic clock when ours shows 0. */
const SERVICE = 50_000;

describe('the lease', () => {
  let wall: number;
  let monotonic: number;
  let lease: Lease;
  const pass = (ms: number) => {
    wall += ms;
    monotonic += ms;
  };
  beforeEach(() => {
    wall = 1_800_000_000_000;
    monotonic = 0;
    lease = new Lease({ wall: () => wall, monotonic: () => monotonic });
  });

  it('lasts until the knowledge may be 900 ms old, counted from the request', () => {
    pass(40);
    lease.begin(SERVICE);
    expect(lease.isFresh()).toBe(false);
    pass(10);
    expect(lease.renew(SERVICE)).toBe(true);
    // The request may have arrived at once, so the service's clock may show 50 ms more.
    pass(LEASE_MS - 51);
    expect(lease.isFresh()).toBe(true);
    pass(1);
    expect(lease.isFresh()).toBe(false);
    expect(lease.renew(SERVICE + 500)).toBe(true);
    expect(lease.isFresh()).toBe(true);
  });

  it('is not given by news that were on their way too long', () => {
    lease.begin(SERVICE);
    pass(5_000);
    expect(lease.renew(SERVICE + 4_000)).toBe(true);
    expect(lease.isFresh()).toBe(false);
    expect(lease.renew(SERVICE + 4_101)).toBe(true);
    expect(lease.isFresh()).toBe(true);
  });

  it('refuses a time that the service cannot have reached, or that goes back', () => {
    lease.begin(SERVICE);
    pass(100);
    expect(lease.renew(SERVICE + 201)).toBe(false);
    lease = new Lease({ wall: () => wall, monotonic: () => monotonic });
    expect(lease.renew(SERVICE)).toBe(false);
    lease.begin(SERVICE);
    expect(lease.renew(SERVICE)).toBe(true);
    expect(lease.renew(SERVICE - 1)).toBe(false);
  });

  it.each([
    ['forward', 100],
    ['back', -100],
  ])('ends when the wall clock jumps %s', (_, jump) => {
    lease.begin(SERVICE);
    lease.renew(SERVICE);
    pass(100);
    expect(lease.isFresh()).toBe(true);
    wall += jump;
    expect(lease.isFresh()).toBe(false);
    pass(300);
    lease.renew(SERVICE + 400);
    expect(lease.isFresh()).toBe(true);
  });

  it('ends while the machine sleeps and its monotonic clock stands still', () => {
    lease.begin(SERVICE);
    lease.renew(SERVICE);
    wall += 3_600_000;
    expect(lease.isFresh()).toBe(false);
    expect(lease.renew(SERVICE + 3_600_000)).toBe(false);
  });
});
