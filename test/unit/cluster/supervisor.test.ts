import { describe, expect, it } from 'vitest';
import { RestartDelay } from '../../../src/cluster/supervisor.js';

describe('RestartDelay', () => {
  it('doubles the delay after each early crash, up to 30 seconds', () => {
    const delay = new RestartDelay();
    const waits = Array.from({ length: 9 }, () => delay.after(1_000));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('resets the delay to 250 ms after a stable worker', () => {
    const delay = new RestartDelay();
    delay.after(0);
    delay.after(0);
    expect(delay.after(30_000)).toBe(250);
    expect(delay.after(0)).toBe(500);
  });
});
