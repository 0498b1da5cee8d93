import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { AuditStore } from '../../../src/audit/audit.store.js';
import { refuse } from '../../../src/common/common.errors.js';
import type { Config } from '../../../src/config/config.js';
import type { Database } from '../../../src/database/database.js';
import type { RateLimitService } from '../../../src/limits/limits.service.js';
import type { ClientAuthentication } from '../../../src/oauth/client-authentication.js';
import type { OAuthClientService } from '../../../src/oauth/oauth-client.service.js';
import { RevocationConsumersService } from '../../../src/oauth/revocations/revocation-consumers.service.js';
import type { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import type { RevocationStreams } from '../../../src/tokens/stream/revocation-streams.service.js';
import { ManualClock } from '../tokens/manual-clock.js';

const CLIENT = { id: 'billing', name: 'Billing', secretHash: Buffer.from('old') };
const request = {
  headers: { 'last-event-id': 'position' },
  id: 'r',
  socket: {},
  ip: '192.0.2.1',
} as unknown as FastifyRequest;

describe('RevocationConsumersService', () => {
  let total: number;
  let ofClient: number;
  let follower: Readable & { reason?: string };
  let review: () => Promise<void>;
  const clock = new ManualClock();
  const open = vi.fn();
  const endAll = vi.fn();
  const withScope = vi.fn();
  const requireClient = vi.fn();
  const enforce = vi.fn();
  const addDaily = vi.fn();
  let consumers: RevocationConsumersService;

  beforeEach(() => {
    vi.resetAllMocks();
    [total, ofClient] = [0, 0];
    follower = new Readable({ read: () => undefined });
    open.mockImplementation(() => follower);
    requireClient.mockResolvedValue(CLIENT);
    withScope.mockResolvedValue(CLIENT);
    addDaily.mockResolvedValue(undefined);
    const count = (id?: string) => (id === undefined ? total : ofClient);
    const streams = { open, endAll, count, clients: () => new Set(['billing', 'orders']) };
    const subscribe = (_topic: string, reload: () => Promise<void>) => (review = reload);
    consumers = new RevocationConsumersService(
      { requireClient } as unknown as ClientAuthentication,
      { withScope } as unknown as OAuthClientService,
      streams as unknown as RevocationStreams,
      { enforce } as unknown as RateLimitService,
      {} as Database,
      { addDaily } as unknown as AuditStore,
      clock,
      { subscribe } as unknown as ChangeFeed,
      { authRateWindow: 60 } as Config,
    );
  });

  it('passes on the position and a moment before the client was authenticated', async () => {
    const arrived = clock.ticks;
    requireClient.mockImplementation(async () => {
      clock.pass(300);
      return CLIENT;
    });
    expect(await consumers.open(request)).toBe(follower);
    const consumer = { clientId: 'billing', credential: CLIENT.secretHash.toString('hex') };
    expect(open).toHaveBeenCalledWith(consumer, arrived, 'position');
  });

  it.each([
    ['429 if the client has a hundred streams', () => (ofClient = 100), 429, 'rate_limited'],
    ['503 if the node has five hundred', () => (total = 500), 503, 'service_unavailable'],
  ])('answers %s, with Retry-After, and opens none', async (_what, fill, status, code) => {
    fill();
    await expect(consumers.open(request)).rejects.toMatchObject({
      status,
      code,
      headers: { 'Retry-After': '10' },
    });
    expect(open).not.toHaveBeenCalled();
    [total, ofClient] = [499, 99];
    await consumers.open(request);
  });

  it('opens no stream for a client that opens them too often', async () => {
    enforce.mockRejectedValue(refuse('rate_limited'));
    await expect(consumers.open(request)).rejects.toMatchObject({ status: 429 });
    expect(enforce).toHaveBeenCalledWith('revocation_stream', 'billing', { limit: 600, windowSeconds: 60 });
    expect(open).not.toHaveBeenCalled();
  });

  it('reads the client again after it has opened the stream, because its secret may have changed in between', async () => {
    withScope.mockImplementation(async () => {
      expect(open).toHaveBeenCalled();
      return { ...CLIENT, secretHash: Buffer.from('new') };
    });
    await consumers.open(request);
    expect(endAll).toHaveBeenCalledWith('billing', Buffer.from('new').toString('hex'));
  });

  it('closes the stream if it cannot read the client again', async () => {
    withScope.mockRejectedValue(new Error('no database'));
    await expect(consumers.open(request)).rejects.toThrow('no database');
    expect(follower.destroyed).toBe(true);
    expect(addDaily).not.toHaveBeenCalled();
  });

  it('ends the streams of every client that may no longer follow when clients change', async () => {
    withScope.mockImplementation(async (id: string) => (id === 'orders' ? undefined : CLIENT));
    await review();
    expect(endAll.mock.calls).toEqual([
      ['billing', CLIENT.secretHash.toString('hex')],
      ['orders', undefined],
    ]);
  });

  it.each([
    ['slow', 1],
    ['client_changed', 1],
    ['expired', 0],
    ['shutdown', 0],
  ])('audits the beginning of a stream; the end %s adds %i events', async (reason, events) => {
    await consumers.open(request);
    follower.reason = reason;
    const closed = new Promise((resolve) => follower.once('close', resolve));
    follower.destroy();
    await closed;
    const audited = addDaily.mock.calls.map(([{ cause, detail }]) => [cause, detail]);
    const detail = { client_id: 'billing', name: 'Billing' };
    const ended = [['ended', { ...detail, reason }]].slice(0, events);
    expect(audited).toEqual([['began', detail], ...ended]);
  });

  it('opens a stream even if it cannot be audited', async () => {
    addDaily.mockRejectedValue(new Error('full disk'));
    expect(await consumers.open(request)).toBe(follower);
  });
});
