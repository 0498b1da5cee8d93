import { hash as argon2 } from '@node-rs/argon2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Clock } from '../../../src/common/clock.js';
import { PasswordHasher } from '../../../src/users/hashing/password-hasher.js';
import { WorkQueue } from '../../../src/users/hashing/work-queue.js';

const PASSWORD = 'correct horse battery staple';
const SALT = 'c2FsdHNhbHRzYWx0c2FsdA';
const TAG = 'A'.repeat(43);

class StoppedClock extends Clock {
  time = 1_000;

  override monotonic(): number {
    return this.time;
  }
}

describe('the password hasher', () => {
  const hasher = new PasswordHasher(new Clock());

  afterEach(() => {
    vi.useRealTimers();
  });

  it('stores argon2id with 19 MiB, two passes and one lane, salted', async () => {
    const hashes = await Promise.all([hasher.hash(PASSWORD), hasher.hash(PASSWORD)]);
    expect(hashes[0]).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(hashes[0]).not.toBe(hashes[1]);
  });

  it('accepts only the right password, to the last character', async () => {
    const long = '🦦'.repeat(256);
    for (const password of [PASSWORD, '', ' ', 'nul\0inside', long]) {
      const stored = await hasher.hash(password);
      expect(await hasher.verify(stored, password)).toBe(true);
      expect(await hasher.verify(stored, `${password} `)).toBe(false);
      if (password.length > 1) expect(await hasher.verify(stored, password.slice(0, -2))).toBe(false);
    }
  });

  it('does not confuse a lone surrogate with the replacement character', async () => {
    const stored = await hasher.hash('\ufffd');
    expect(await hasher.verify(stored, '\ufffd')).toBe(true);
    expect(await hasher.verify(stored, '\ud800')).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['a word', 'password'],
    ['NUL', '\0'],
    ['a prefix alone', '$argon2id$'],
    ['no salt', '$argon2id$v=19$m=19456,t=2,p=1$'],
    ['no tag', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$`],
    ['a truncated tag', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$AAAA`],
    ['no base64', `$argon2id$v=19$m=19456,t=2,p=1$${SALT}$${'!'.repeat(43)}`],
    ['no numbers', `$argon2id$v=19$m=x,t=y,p=z$${SALT}$${TAG}`],
    ['too little memory', `$argon2id$v=19$m=1,t=2,p=1$${SALT}$${TAG}`],
    ['terabytes of memory', `$argon2id$v=19$m=4294967295,t=1,p=1$${SALT}$${TAG}`],
    ['hours of passes', `$argon2id$v=19$m=19456,t=4294967295,p=1$${SALT}$${TAG}`],
    ['thousands of lanes', `$argon2id$v=19$m=131072,t=1,p=16384$${SALT}$${TAG}`],
    ['another scheme', '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
    ['a megabyte', `$argon2id$${'A'.repeat(1_000_000)}`],
  ])('returns false for a stored text that is %s', async (_, stored) => {
    expect(await hasher.verify(stored, PASSWORD)).toBe(false);
    expect(hasher.needsRehash(stored)).toBe(true);
  });

  it('verifies hashes with other parameters and reports them as outdated', async () => {
    const weaker = await argon2(PASSWORD, { memoryCost: 4096, timeCost: 3, parallelism: 1 });
    const stronger = await argon2(PASSWORD, { memoryCost: 65_536, timeCost: 3, parallelism: 4 });
    for (const stored of [weaker, stronger]) {
      expect(await hasher.verify(stored, PASSWORD)).toBe(true);
      expect(await hasher.verify(stored, 'another')).toBe(false);
      expect(hasher.needsRehash(stored)).toBe(true);
    }
    expect(hasher.needsRehash(await hasher.hash(PASSWORD))).toBe(false);
  });

  it('delays a failed login until 250 ms after its start, and no longer', async () => {
    vi.useFakeTimers();
    const clock = new StoppedClock();
    const padded = new PasswordHasher(clock);
    const done = vi.fn();
    const waiting = padded.padFailure(clock.monotonic() - 100).then(done);
    await vi.advanceTimersByTimeAsync(149);
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    await padded.padFailure(clock.monotonic() - 250);
    await padded.padFailure(clock.monotonic() - 10_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('delays failures for longer once it knows a more expensive hash, and never for less again', async () => {
    vi.useFakeTimers();
    const floorOf = async (padded: PasswordHasher) => {
      const began = Date.now();
      const waiting = padded.padFailure(new Clock().monotonic());
      await vi.runAllTimersAsync();
      await waiting;
      return Math.round((Date.now() - began) / 250) * 250;
    };
    const padded = new PasswordHasher(new Clock());
    const bcrypt12 = '$2b$12$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.';
    const appraised = padded.appraise(bcrypt12);
    expect(appraised).toEqual({ outcome: 'known', floor: 750 });
    expect(padded.appraise(await padded.hash(PASSWORD))).toEqual({ outcome: 'known', floor: 250 });
    expect(await floorOf(padded)).toBe(250);
    padded.raiseFloor(750);
    padded.raiseFloor(250);
    expect(await floorOf(padded)).toBe(750);
    padded.raiseFloor(3_600_000);
    expect(await floorOf(padded)).toBe(1_500);
  });

  it('delays failures for longer once it has verified an expensive hash that was not imported', async () => {
    const padded = new PasswordHasher(new Clock());
    expect(await padded.verify('$2b$12$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.', 'wrong')).toBe(
      false,
    );
    vi.useFakeTimers();
    const answered = vi.fn();
    const waiting = padded.padFailure(new Clock().monotonic()).then(answered);
    await vi.advanceTimersByTimeAsync(700);
    expect(answered).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    await waiting;
  });
});

describe('the work queue', () => {
  it('runs as many at once as it has lanes, and the others in order', async () => {
    const queue = new WorkQueue(2, { known: 0, unknown: 10 });
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const all = Array.from({ length: 5 }, (_, i) =>
      queue.run(async () => {
        begun.push(i);
        await new Promise<void>((resolve) => ends.push(resolve));
        return i;
      }, 'unknown'),
    );
    for (let finished = 0; finished < 5; finished++) {
      await expect.poll(() => begun).toEqual([0, 1, 2, 3, 4].slice(0, Math.min(5, finished + 2)));
      ends[finished]!();
    }
    expect(await Promise.all(all)).toEqual([0, 1, 2, 3, 4]);
  });

  it('passes the lane of failed work to the next work', async () => {
    const queue = new WorkQueue(1, { known: 0, unknown: 1 });
    const failing = queue.run(() => Promise.reject(new Error('broken')), 'unknown');
    const next = queue.run(() => Promise.resolve('done'), 'unknown');
    await expect(queue.run(() => Promise.resolve('refused'), 'unknown')).rejects.toMatchObject({
      status: 503,
    });
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('done');
    expect(await queue.run(() => Promise.resolve('again'), 'unknown')).toBe('again');
  });
});
