import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Clock } from '../../src/common/clock.js';
import { PasswordHasher } from '../../src/users/hashing/password-hasher.js';

const PASSWORD = 'correct horse battery staple';

/** These tests hash at full cost and compare processor time, so nothing else should run on the machine. */
describe('the password hasher', () => {
  const hasher = new PasswordHasher(new Clock());

  it('does the same work for an unknown user and always returns false', async () => {
    const stored = await hasher.hash(PASSWORD);
    const works = [
      () => hasher.verify(stored, 'wrong'),
      () => hasher.verifyNothing('wrong'),
      () => hasher.verify('malformed', 'wrong'),
    ];
    const least = works.map(() => Number.POSITIVE_INFINITY);
    // In turns, and in CPU time, so that other work on the machine affects all of them equally.
    for (let round = 0; round < 20; round++) {
      for (const [index, work] of works.entries()) {
        const start = process.cpuUsage();
        expect(await work()).toBe(false);
        const { user, system } = process.cpuUsage(start);
        least[index] = Math.min(least[index]!, user + system);
      }
    }
    const [somebody, ...nobodies] = least;
    for (const nobody of nobodies) {
      expect(nobody).toBeGreaterThan(somebody! / 2);
      expect(nobody).toBeLessThan(somebody! * 2);
    }
  });

  it('refuses work beyond its queue at once with 503 and Retry-After, and does all the rest', async () => {
    const stored = await hasher.hash(PASSWORD);
    const room = Math.max(1, availableParallelism() - 1) + 128;
    const accepted = Array.from({ length: room }, () => hasher.verify(stored, PASSWORD));
    const unavailable = { code: 'service_unavailable', status: 503, headers: { 'Retry-After': '2' } };
    await expect(hasher.verify(stored, PASSWORD)).rejects.toMatchObject(unavailable);
    await expect(hasher.verifyNothing(PASSWORD)).rejects.toMatchObject(unavailable);
    // Authenticated users and administrators have their own share.
    expect(await hasher.verify(stored, PASSWORD, 'known')).toBe(true);
    expect(await hasher.hash(PASSWORD)).toMatch(/^\$argon2id\$/);
    expect(new Set(await Promise.all(accepted))).toEqual(new Set([true]));
    expect(await hasher.verify(stored, PASSWORD)).toBe(true);
  });

  it('verifies the most expensive hashes well below their floor', async () => {
    // The defaults of Django 5.2 and Werkzeug, and the bcrypt costs of Devise, Laravel and Django.
    const expensive = [
      'pbkdf2_sha256$1000000$seasalt1$0aR5xWc6GnPuvs2Ludcb5L64wb7J78duzRJOFHUzDEo=',
      `scrypt:32768:8:1$salt$${'ab'.repeat(64)}`,
      '$2b$12$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.',
    ];
    for (const stored of expensive) {
      const appraised = hasher.appraise(stored);
      const times: number[] = [];
      for (let i = 0; i < 3; i++) {
        // CPU time: a busy machine makes no scheme more expensive.
        const began = process.cpuUsage();
        expect(await hasher.verify(stored, PASSWORD)).toBe(false);
        times.push(process.cpuUsage(began).user / 1_000);
      }
      expect(appraised.outcome === 'known' && appraised.floor).toBeGreaterThan(1.2 * Math.min(...times));
    }
  });

  it('queues fewer expensive checks than cheap ones', async () => {
    const queued = new PasswordHasher(new Clock());
    const expensive = '$2b$12$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.';
    const calls = Array.from({ length: 30 + availableParallelism() }, () =>
      queued.verify(expensive, PASSWORD),
    );
    const outcomes = await Promise.allSettled(calls);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(15);
    expect(refused.length).toBeLessThan(30);
  });
});
