import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { RevocationStream } from '../../../packages/verifier/src/stream/revocation-stream.js';
import type { RevocationStreamOptions } from '../../../packages/verifier/src/stream/revocation-stream.js';
import { FAMILY, USER } from './signing.js';
import { ScriptedStream } from './scripted-stream.js';
import type { Script } from './scripted-stream.js';

const DB_TIME = 1_795_560_136;
const OTHER = '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a09';
const POLL = { timeout: 20_000, interval: 2 };

const token = ({ sid = FAMILY, sub = USER, epoch = 2, kid = 'k1' } = {}) =>
  ({ claims: { sid, sub }, epoch, kid, generation: 1 }) as VerifiedToken;

describe('the stream of revocations', () => {
  let server: ScriptedStream;
  let stream: RevocationStream;
  /** Our clocks move only when the test moves them. */
  let now: number;
  let named: string[];
  const clocks = { wall: () => 1_800_000_000_000 + now, monotonic: () => now };

  beforeEach(() => {
    server = new ScriptedStream();
    now = 0;
    named = [];
  });
  afterEach(() => stream.close());

  function start(more: Partial<RevocationStreamOptions> = {}): RevocationStream {
    stream = new RevocationStream({
      fetch: server.fetch,
      locate: () => Promise.resolve('https://auth.tandem.test/oauth/revocations'),
      authorization: 'Basic eA==',
      onKeys: (kids) => void named.push(...kids),
      clocks,
      ...more,
    });
    stream.start();
    return stream;
  }

  const fresh = (script: Script, asOf = now, id = 'db.1') =>
    script.say('fresh', { as_of: asOf, db_time: DB_TIME + now / 1000 }, id);

  /** The next request, greeted. */
  async function greeted(index: number): Promise<Script> {
    const script = await server.request(index);
    script.say('hello', { now });
    return script;
  }

  /** A stream that has become fresh with these revocations. */
  async function following(...revocations: object[]): Promise<Script> {
    start();
    const script = await greeted(0);
    if (revocations.length > 0) script.say('revoked', { revocations });
    script.say('keys', { version: 1, keys: ['k1', 'k2'] });
    fresh(script);
    expect(await stream.settled()).toBeUndefined();
    return script;
  }

  const exp = DB_TIME + 1_000;

  it('is fresh when the snapshot is complete, and not before', async () => {
    start();
    const script = await greeted(0);
    script.say('revoked', { revocations: [{ sid: FAMILY, exp }] });
    await vi.waitFor(() => expect(stream.isRevoked(token())).toBe(true), POLL);
    expect(stream.isFresh()).toBe(false);
    fresh(script);
    await vi.waitFor(() => expect(stream.isFresh()).toBe(true), POLL);
    expect(script.headers.get('authorization')).toBe('Basic eA==');
    expect(script.headers.get('accept')).toBe('text/event-stream');
    expect(script.headers.get('last-event-id')).toBeNull();
  });

  it('knows revoked families, epochs and keys', async () => {
    await following({ sid: FAMILY, exp }, { sub: OTHER, epoch: 7, exp }, { kid: 'k2', exp });
    expect(stream.isRevoked(token())).toBe(true);
    expect(stream.isRevoked(token({ sid: OTHER }))).toBe(false);
    expect(stream.isRevoked(token({ sid: OTHER, sub: OTHER, epoch: 6 }))).toBe(true);
    expect(stream.isRevoked(token({ sid: OTHER, sub: OTHER, epoch: 7 }))).toBe(false);
    expect(stream.isRevoked(token({ sid: OTHER, kid: 'k2' }))).toBe(true);
    expect(named).toEqual(['k1', 'k2']);
  });

  it('trusts no key that the newest list lacks, ignores older lists, and never takes a revoked key back', async () => {
    const script = await following();
    const revoked = (kid: string) => stream.isRevoked(token({ kid }));
    expect(['k1', 'k2', 'k3'].map(revoked)).toEqual([false, false, true]);
    script.say('keys', { version: 3, keys: ['k1', 'k3'] });
    script.say('keys', { version: 2, keys: ['k2'] });
    await vi.waitFor(() => expect(['k1', 'k2', 'k3'].map(revoked)).toEqual([false, true, false]), POLL);
    script.say('revoked', { revocations: [{ kid: 'k3', exp: 1 }] });
    script.say('keys', { version: 4, keys: ['k1', 'k3'] });
    await vi.waitFor(() => expect(revoked('k3')).toBe(true), POLL);
    now += 40_000;
    fresh(script);
    await vi.waitFor(() => expect(stream.isFresh()).toBe(true), POLL);
    expect(revoked('k3')).toBe(true);
  });

  it('is stale when nothing comes for 900 ms', async () => {
    await following();
    now += 899;
    expect(stream.isFresh()).toBe(true);
    now += 1;
    expect(stream.isFresh()).toBe(false);
  });

  it("forgets revocations by the database's clock, not by its own", async () => {
    const script = await following(
      { sid: FAMILY, exp: DB_TIME + 100 },
      { sub: OTHER, epoch: 7, exp: DB_TIME + 100 },
    );
    now += 3_600_000;
    script.say('fresh', { as_of: now, db_time: DB_TIME + 99 }, 'db.2');
    await vi.waitFor(() => expect(stream.isFresh()).toBe(true), POLL);
    expect(stream.isRevoked(token())).toBe(true);
    script.say('fresh', { as_of: now + 1, db_time: DB_TIME + 130 }, 'db.3');
    await vi.waitFor(() => expect(stream.isRevoked(token())).toBe(false), POLL);
    expect(stream.isRevoked(token({ sid: OTHER, sub: OTHER, epoch: 6 }))).toBe(false);
    now += 1_000;
    expect(stream.databaseTime()).toBeCloseTo(DB_TIME + 131, 3);
  });

  it('continues after an end where it was, and keeps what it knows', async () => {
    const script = await following({ sid: FAMILY, exp });
    script.say('revoked', { revocations: [{ sid: OTHER, exp }] }, 'db.9');
    script.end();
    const next = await server.request(1);
    // The event with id 9 belongs to what has not been completed.
    expect(next.headers.get('last-event-id')).toBe('db.1');
    expect(stream.isFresh()).toBe(false);
    next.say('hello', { now });
    fresh(next);
    await vi.waitFor(() => expect(stream.isFresh()).toBe(true), POLL);
    expect([FAMILY, OTHER].map((sid) => stream.isRevoked(token({ sid })))).toEqual([true, true]);
  });

  it('only adds what an old snapshot says, and is not fresh by it', async () => {
    const script = await following({ sid: FAMILY, exp });
    script.end();
    const old = await server.request(1);
    now += 10_000;
    old.say('hello', { now: 10_000 });
    old.say('revoked', { revocations: [{ sid: OTHER, exp }] });
    old.say('fresh', { as_of: 9_000, db_time: DB_TIME }, 'db.0');
    await vi.waitFor(() => expect(stream.isRevoked(token({ sid: OTHER }))).toBe(true), POLL);
    await vi.waitFor(() => expect(stream.databaseTime()).toBe(DB_TIME), POLL);
    expect(stream.isFresh()).toBe(false);
    expect(stream.isRevoked(token())).toBe(true);
  });

  it('opens the next connection before the first one ends, so that the lease has no gap', async () => {
    start({ renewAfterMs: 1 });
    const script = await greeted(0);
    fresh(script);
    const next = await server.request(1);
    expect(stream.isFresh()).toBe(true);
    expect(script.aborted).toBe(false);
    next.say('hello', { now });
    fresh(next);
    await vi.waitFor(() => expect(script.aborted).toBe(true), POLL);
    expect(stream.isFresh()).toBe(true);
  });

  it('keeps the connection that works while the next one fails', async () => {
    start({ renewAfterMs: 1 });
    const script = await greeted(0);
    fresh(script);
    await expect.poll(() => stream.isFresh(), POLL).toBe(true);
    (await server.request(1)).raw('rubbish\n\nevent: hello\ndata: {\n\n');
    const third = await server.request(2);
    expect(stream.isFresh()).toBe(true);
    third.say('hello', { now });
    fresh(third);
    await vi.waitFor(() => expect(script.aborted).toBe(true), POLL);
    expect(stream.isFresh()).toBe(true);
  });

  it.each<[string, (script: Script) => void]>([
    ['an event that is no JSON', (script) => script.raw('event: revoked\ndata: {"revocations":\n\n')],
    ['an event that is null', (script) => script.say('fresh', null)],
    ['a revocation of nothing', (script) => script.say('revoked', { revocations: [{ exp }] })],
    ['a revocation without an end', (script) => script.say('revoked', { revocations: [{ sid: FAMILY }] })],
    [
      'a revocation of a user without an epoch',
      (script) => script.say('revoked', { revocations: [{ sub: USER, exp }] }),
    ],
    [
      'a revocation of a family that is no UUID',
      (script) => script.say('revoked', { revocations: [{ sid: 'x', exp }] }),
    ],
    [
      'too many revocations at once',
      (script) => script.say('revoked', { revocations: Array(1_001).fill({ sid: FAMILY, exp }) }),
    ],
    ['keys that are no list', (script) => script.say('keys', { version: 2, keys: 'k1' })],
    ['keys without a version', (script) => script.say('keys', { keys: ['k1'] })],
    ['a time that is text', (script) => script.say('fresh', { as_of: '1', db_time: DB_TIME })],
    ['a second hello', (script) => script.say('hello', { now: 99 })],
    ['a time in the future', (script) => fresh(script, now + 3_600_000, 'db.2')],
    ['a time before the last one', (script) => fresh(script, -0.5 + now, 'db.2')],
    ['a position before the last one', (script) => fresh(script, now, 'db.0')],
    ['another database', (script) => fresh(script, now, 'other.5')],
    ['an endless line', (script) => script.raw('x'.repeat(2_000_000))],
  ])('drops everything and starts anew after %s', async (_, spoil) => {
    const script = await following({ sid: FAMILY, exp });
    spoil(script);
    const next = await server.request(1);
    expect(script.aborted).toBe(true);
    expect(stream.isFresh()).toBe(false);
    expect(next.headers.get('last-event-id')).toBeNull();
    next.say('hello', { now });
    next.say('revoked', { revocations: [{ sid: OTHER, exp }] });
    fresh(next, now, 'other.5');
    await vi.waitFor(() => expect(stream.isFresh()).toBe(true), POLL);
    expect([FAMILY, OTHER].map((sid) => stream.isRevoked(token({ sid })))).toEqual([false, true]);
  });

  it('starts anew if the next connection reaches another database', async () => {
    start({ renewAfterMs: 1 });
    const script = await greeted(0);
    script.say('revoked', { revocations: [{ sid: FAMILY, exp }] });
    fresh(script);
    await expect.poll(() => stream.isFresh(), POLL).toBe(true);
    const next = await greeted(1);
    fresh(next, now, 'restored.1');
    const third = await greeted(2);
    expect(stream.isFresh()).toBe(false);
    expect(script.aborted).toBe(true);
    expect(third.headers.get('last-event-id')).toBeNull();
  });

  it('ignores events of a later release', async () => {
    const script = await following();
    script.say('statistics', { anything: [] });
    script.say('revoked', { revocations: [{ sid: FAMILY, exp, since: 1 }], more: true });
    await vi.waitFor(() => expect(stream.isRevoked(token())).toBe(true), POLL);
    expect(stream.isFresh()).toBe(true);
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ['an error', () => new Response('{}', { status: 503 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.test/' } })],
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['no connection', () => Promise.reject(new TypeError('fetch failed'))],
  ])('tries again after %s', async (_, answer) => {
    server.answer = answer;
    start();
    expect(await stream.settled()).toBeInstanceOf(Error);
    await server.request(1);
    expect(stream.isFresh()).toBe(false);
    server.answer = undefined;
    const served = server.requests.length;
    fresh(await greeted(served));
    await vi.waitFor(() => expect(stream.isFresh()).toBe(true), POLL);
  });

  it('ends everything when it is closed', async () => {
    const script = await following();
    stream.close();
    expect(stream.isFresh()).toBe(false);
    expect(script.aborted).toBe(true);
    expect(await stream.settled()).toBeInstanceOf(Error);
    expect(server.requests).toHaveLength(1);
  });
});
