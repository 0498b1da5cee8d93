import { describe, expect, it } from 'vitest';
import { Clock } from '../../../src/common/clock.js';
import { BlockedKeys } from '../../../src/limits/blocked/blocked-keys.js';

class HandClock extends Clock {
  wall = 1_000_000;
  steady = 0;
  override now = () => this.wall;
  override monotonic = () => this.steady;
  pass(ms: number) {
    this.wall += ms;
    this.steady += ms;
  }
}

describe('BlockedKeys', () => {
  it('blocks for the given time, counted from the moment of the query', () => {
    const clock = new HandClock();
    const keys = new BlockedKeys(clock);
    clock.pass(30);
    keys.block('a', 10, 1_000);
    expect(keys.remaining('a')).toBe(980);
    clock.pass(979);
    expect(keys.remaining('a')).toBe(1);
    clock.pass(1);
    expect(keys.remaining('a')).toBeUndefined();
    expect(keys.size).toBe(0);
  });

  it('ends a block in time after the machine slept or the wall clock was set back', () => {
    const clock = new HandClock();
    const keys = new BlockedKeys(clock);
    keys.block('asleep', 0, 1_000);
    clock.wall += 1_000;
    expect(keys.remaining('asleep')).toBeUndefined();
    keys.block('set back', 0, 1_000);
    clock.wall -= 1_000_000;
    expect(keys.remaining('set back')).toBe(1_000);
    clock.pass(1_000);
    expect(keys.remaining('set back')).toBeUndefined();
  });

  it('stays bounded under a million addresses and drops the oldest first', () => {
    const keys = new BlockedKeys(new HandClock());
    for (let i = 0; i < 1_000_000; i++) keys.block(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 0, 60_000);
    expect(keys.size).toBeLessThanOrEqual(50_000);
    expect(keys.size).toBeGreaterThanOrEqual(25_000);
    expect(keys.remaining('10.0.0.0')).toBeUndefined();
    expect(keys.remaining('10.15.66.63')).toBe(60_000);
  });

  it('drops no other key when a known key is blocked again', () => {
    const keys = new BlockedKeys(new HandClock(), 2);
    keys.block('a', 0, 1);
    keys.block('b', 0, 1);
    keys.block('a', 0, 5);
    expect([keys.remaining('a'), keys.remaining('b')]).toEqual([5, 1]);
  });
});
