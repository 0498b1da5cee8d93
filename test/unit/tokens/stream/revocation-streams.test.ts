import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../../src/common/background-loops.js';
import type { ChangeFeed } from '../../../../src/tokens/feed/change-feed.js';
import type { DatabaseClock } from '../../../../src/tokens/feed/database-clock.js';
import { RevocationList } from '../../../../src/tokens/feed/revocation-list.js';
import type { FeedEntry } from '../../../../src/tokens/feed/revocation.store.js';
import type { KeyRingService } from '../../../../src/tokens/keys/key-ring.service.js';
import type { RevocationFollower } from '../../../../src/tokens/stream/revocation-follower.js';
import { LOG_LIMIT } from '../../../../src/tokens/stream/revocation-log.js';
import { RevocationStreams } from '../../../../src/tokens/stream/revocation-streams.service.js';
import { ManualClock } from '../manual-clock.js';

const NOW = 1_900_000_000_000;
const CONSUMER = { clientId: 'billing', credential: 'hash' };
const SERVER = 'the server';

let entries = 0;
const entry = (xid: number): FeedEntry => ({
  kind: 'sid',
  subject: `00000000-0000-4000-8000-${String((entries += 1)).padStart(12, '0')}`,
  epoch: null,
  expires: NOW + 900_000,
  xid,
});

/** What a consumer has read, as `event` or the sids of an event `revoked`. */
function eventsIn(
  text: string,
): { readonly event: string; readonly data: Record<string, unknown>; readonly id?: string }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => ({
      event: /^event: (.*)$/m.exec(block)![1]!,
      data: JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as Record<string, unknown>,
      ...(/^id: (.*)$/m.test(block) && { id: /^id: (.*)$/m.exec(block)![1]! }),
    }));
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Waits until a few turns of the event loop have not changed the figure. */
async function settled(figure: () => number): Promise<void> {
  for (let unchanged = 0, last = figure(); unchanged < 3; last = figure()) {
    await turn();
    unchanged = figure() === last ? unchanged + 1 : 0;
  }
}

describe('RevocationStreams', () => {
  let clock: ManualClock;
  let list: RevocationList;
  let streams: RevocationStreams;
  let fresh: boolean;
  let ring: { trust: KeyRingService['trust'] };
  let changeKeys: () => void;
  let horizon: number;
  const opened: RevocationFollower[] = [];

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    clock = new ManualClock();
    fresh = true;
    horizon = 10;
    const databaseClock = { now: () => NOW + clock.ticks } as DatabaseClock;
    const loops = new BackgroundLoops(true);
    list = new RevocationList(databaseClock, loops);
    ring = { trust: { version: 1, trusted: ['a'], distrusted: [] } };
    const feed = { follow: () => undefined, isFresh: () => fresh };
    const keys = { ...ring, onChange: (changed: () => void) => (changeKeys = changed) };
    Object.defineProperty(keys, 'trust', { get: () => ring.trust });
    streams = new RevocationStreams(
      feed as unknown as ChangeFeed,
      list,
      keys as unknown as KeyRingService,
      databaseClock,
      clock,
      loops,
    );
    streams.onModuleInit();
    streams.restarted();
    poll();
    await check();
  });
  afterEach(() => {
    for (const follower of opened.splice(0)) follower.destroy();
    vi.useRealTimers();
  });

  /** A poll that reads these entries. */
  function poll(read: readonly FeedEntry[] = []): void {
    for (const each of read) list.add(each);
    if (read.length > 0) streams.read(read);
    horizon += 10;
    streams.polled({ asOf: clock.ticks, server: SERVER, horizon });
  }
  const many = (count: number, xid = horizon) => Array.from({ length: count }, () => entry(xid));
  /** Lets the background loop run once. */
  const check = (times = 1) => vi.advanceTimersByTimeAsync(100 * times);
  function open(lastEventId?: string): RevocationFollower {
    const follower = streams.open(CONSUMER, clock.ticks, lastEventId);
    opened.push(follower);
    return follower;
  }
  /** A consumer that reads everything. */
  function reader(lastEventId?: string) {
    const follower = open(lastEventId);
    const chunks: Buffer[] = [];
    follower.on('data', (chunk: Buffer) => chunks.push(chunk));
    return {
      follower,
      chunks,
      async events() {
        await settled(() => chunks.length);
        return eventsIn(Buffer.concat(chunks).toString());
      },
      async sids() {
        const events = await this.events();
        return events
          .filter(({ event }) => event === 'revoked')
          .flatMap(({ data }) => (data['revocations'] as { sid: string }[]).map(({ sid }) => sid));
      },
    };
  }
  const closed = (follower: RevocationFollower) =>
    follower.closed ? Promise.resolve() : new Promise((resolve) => follower.once('close', resolve));

  it('sends hello, the snapshot, the keys and then fresh with the time of the last poll', async () => {
    const [a, b] = [entry(5), entry(6)];
    poll([a, b]);
    const polledAt = clock.ticks;
    clock.pass(50);
    const events = await reader().events();
    expect(events.map(({ event }) => event)).toEqual(['hello', 'revoked', 'keys', 'fresh']);
    expect(events[0]!.data).toEqual({ now: clock.ticks });
    expect(events[1]!.data).toEqual({
      revocations: [a, b].map(({ subject }) => ({ sid: subject, exp: NOW / 1000 + 900 })),
    });
    expect(events[2]!.data).toEqual({ version: 1, keys: ['a'] });
    expect(events[3]!.data).toEqual({ as_of: polledAt, db_time: (NOW + clock.ticks) / 1000 });
  });

  it('serialises each event once for all consumers', async () => {
    poll(many(2_500));
    const readers = [reader(), reader(), reader()];
    for (const each of readers) await each.events();
    poll(many(2));
    for (const each of readers) await each.events();
    const [first, ...others] = readers.map(({ chunks }) => chunks.filter((chunk) => chunk.includes('sid')));
    expect(first).toHaveLength(4);
    for (const other of others)
      expect(other.map((chunk, at) => chunk === first![at])).toEqual([true, true, true, true]);
  });

  it('serves others between the events of a snapshot, however fast its consumer reads', async () => {
    poll(many(16_000));
    const { follower, chunks } = reader();
    let turns = 0;
    const perTurn = new Map<number, number>();
    follower.on('data', () => perTurn.set(turns, (perTurn.get(turns) ?? 0) + 1));
    await settled(() => {
      turns += 1;
      return chunks.length;
    });
    expect(chunks.filter((chunk) => chunk.includes('sid'))).toHaveLength(16);
    // Small events such as `hello` come together with another.
    expect(Math.max(...perTurn.values())).toBeLessThanOrEqual(6);
  });

  it('sends nothing that is known to a consumer that resumes, and everything that is newer', async () => {
    poll([entry(horizon)]);
    const position = (await reader().events()).at(-1)!.id!;
    const newer = [entry(horizon), entry(horizon + 1)];
    poll(newer);
    const resumed = reader(position);
    expect(await resumed.sids()).toEqual(newer.map(({ subject }) => subject));
    expect((await resumed.events()).at(-1)!.event).toBe('fresh');
  });

  it('sends an entry of a transaction that began before the position and was committed after it', async () => {
    horizon = 40;
    poll();
    const position = `${(await reader().events()).at(-1)!.id!.split('.')[0]}.45`;
    const late = entry(45);
    poll([entry(48)]);
    poll([late]);
    expect(await reader(position).sids()).toContain(late.subject);
  });

  it('sends a snapshot if the log has dropped something since the position', async () => {
    const position = (await reader().events()).at(-1)!.id!;
    const lost = entry(horizon);
    poll([lost]);
    for (let at = 0; at < 20; at += 1) poll(many(1_000));
    const sids = await reader(position).sids();
    expect(sids).toContain(lost.subject);
    expect(sids).toHaveLength(20_001);
  });

  it('sends a snapshot to a position of another server, also of a node that moved to another server', async () => {
    poll([entry(horizon)]);
    const position = (await reader().events()).at(-1)!.id!;
    streams.restarted();
    streams.polled({ asOf: clock.ticks, server: 'promoted', horizon: horizon + 10 });
    expect(await reader(position).sids()).toHaveLength(1);
  });

  it('takes positions again after a move, although the transactions of the new server are older', async () => {
    for (let at = 0; at < 20; at += 1) poll(many(1_000, 1_000_000));
    streams.restarted();
    streams.read([entry(3)]);
    streams.polled({ asOf: clock.ticks, server: 'promoted', horizon: 5 });
    const position = (await reader().events()).at(-1)!.id!;
    expect(position.split('.')[1]).toBe('5');
    expect(await reader(position).sids()).toEqual([]);
  });

  it('sends what arrives during a snapshot after it, and fresh only then', async () => {
    poll(many(5_000));
    const follower = open();
    const read = () => eventsIn((follower.read() as Buffer | null)?.toString() ?? '');
    const events = read();
    const during = entry(horizon);
    poll([during]);
    while (!events.some(({ event }) => event === 'fresh')) {
      events.push(...read());
      await turn();
    }
    const kinds = events.map(({ event }) => event);
    expect(kinds.lastIndexOf('revoked')).toBeLessThan(kinds.indexOf('fresh'));
    expect(JSON.stringify(events.slice(0, kinds.indexOf('fresh')))).toContain(during.subject);
    expect(kinds.filter((kind) => kind === 'fresh')).toHaveLength(1);
  });

  it('repeats fresh at least every 300 ms while the node is fresh, even without a poll', async () => {
    const consumer = reader();
    const count = async () => (await consumer.events()).filter(({ event }) => event === 'fresh').length;
    await count();
    for (let round = 0; round < 5; round += 1) {
      const before = await count();
      for (let at = 0; at < 3; at += 1) {
        clock.pass(100);
        await check();
      }
      expect(await count()).toBeGreaterThan(before);
    }
  });

  it('sends no fresh while the node is stale, but still the revocations that arrive', async () => {
    const consumer = reader();
    await consumer.events();
    fresh = false;
    const known = entry(horizon);
    streams.read([known]);
    clock.pass(1_000);
    await check();
    const [before, late] = [(await consumer.events()).length, reader()];
    clock.pass(1_000);
    await check();
    expect(await consumer.events()).toHaveLength(before);
    expect(await consumer.sids()).toEqual([known.subject]);
    expect((await late.events()).some(({ event }) => event === 'fresh')).toBe(false);
    fresh = true;
    poll();
    for (const each of [consumer, late]) expect((await each.events()).at(-1)!.event).toBe('fresh');
  });

  it('ends the streams of a node that stays stale, so that their consumers find another node', async () => {
    const { follower } = reader();
    fresh = false;
    clock.pass(9_000);
    await check();
    expect(follower.destroyed).toBe(false);
    clock.pass(1_000);
    await check();
    await closed(follower);
    expect(streams.ended.stale).toBe(1);
  });

  it('sends keys again when they change, with the distrusted ones as revocations before them', async () => {
    const consumer = reader();
    const before = (await consumer.events()).length;
    ring.trust = {
      version: 2,
      trusted: ['b'],
      distrusted: [
        { kid: 'a', expires: NOW + 60_500 },
        { kid: 'long ago', expires: NOW },
      ],
    };
    changeKeys();
    expect((await consumer.events()).slice(before)).toEqual([
      { event: 'revoked', data: { revocations: [{ kid: 'a', exp: NOW / 1000 + 61 }] } },
      { event: 'keys', data: { version: 2, keys: ['b'] } },
    ]);
  });

  it('ends a stream after ten minutes', async () => {
    const { follower } = reader();
    clock.pass(599_999);
    await check();
    expect(follower.destroyed).toBe(false);
    clock.pass(1);
    await check();
    await closed(follower);
    expect([streams.ended.expired, streams.count()]).toEqual([1, 0]);
  });

  it('cuts a consumer that does not read when 1 MiB waits for it, and no other', async () => {
    const [idle, consumer] = [open(), reader()];
    idle.read(0);
    await consumer.events();
    for (let at = 0; at < 2 + LOG_LIMIT / 50_000; at += 1) {
      poll(many(1_000));
      await consumer.sids();
    }
    await check(30);
    await closed(idle);
    expect(streams.ended.slow).toBe(1);
    expect(idle.readableLength).toBeLessThan(200_000);
    expect(consumer.follower.destroyed).toBe(false);
    expect(await consumer.sids()).toHaveLength(list.size);
  });

  it('cuts a consumer that does not read for five seconds although something waits for it', async () => {
    poll(many(3_000));
    const follower = open();
    follower.read(0);
    await check(49);
    expect(follower.destroyed).toBe(false);
    await check();
    await closed(follower);
    expect(streams.ended.slow).toBe(1);
  });

  it('does not take a pause of the node for a consumer that does not read', async () => {
    const follower = open();
    follower.read(0);
    for (let at = 0; at < 30; at += 1) poll(many(1_000));
    await check(25);
    clock.pass(60_000);
    await check();
    expect(follower.destroyed).toBe(false);
    follower.resume();
    await settled(() => streams.bytes);
    await check(30);
    expect(follower.destroyed).toBe(false);
  });

  it('sends a snapshot to a consumer that reads when more than 1 MiB arrives at once', async () => {
    const consumer = reader();
    await consumer.events();
    poll(many(40_000));
    expect(new Set(await consumer.sids()).size).toBe(40_000);
    expect((await consumer.events()).at(-1)!.event).toBe('fresh');
    await check();
    expect(consumer.follower.destroyed).toBe(false);
  });

  it('ends the streams of a client, except those with the secret that it has now', async () => {
    const [old, other] = [reader(), reader()];
    const renewed = streams.open({ ...CONSUMER, credential: 'new' }, clock.ticks, undefined);
    const stranger = streams.open({ ...CONSUMER, clientId: 'another' }, clock.ticks, undefined);
    opened.push(renewed, stranger);
    streams.endAll(CONSUMER.clientId, 'new');
    await Promise.all([closed(old.follower), closed(other.follower)]);
    expect([renewed.destroyed, stranger.destroyed, streams.count(), streams.count('billing')]).toEqual([
      false,
      false,
      2,
      1,
    ]);
    expect(streams.clients()).toEqual(new Set(['billing', 'another']));
    expect(streams.ended.client_changed).toBe(2);
  });

  it('ends every stream when the node stops, and opens no other', async () => {
    const { follower } = reader();
    streams.close();
    await closed(follower);
    expect(streams.ended.shutdown).toBe(1);
    expect(() => open()).toThrow(expect.objectContaining({ status: 503 }) as Error);
  });

  it('cuts a stream that has ended if its consumer does not read the rest', async () => {
    poll(many(3_000));
    const follower = open();
    follower.read(0);
    streams.close();
    await check(50);
    await closed(follower);
    expect([streams.ended.shutdown, streams.ended.slow]).toEqual([1, 0]);
  });

  it('counts the bytes that it has sent', async () => {
    const consumer = reader();
    await consumer.events();
    expect(streams.bytes).toBe(Buffer.concat(consumer.chunks).length);
  });
});
