import { TerminusModule, TypeOrmHealthIndicator } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from 'vitest';
import { Database } from '../../../src/database/database.js';
import { Drain } from '../../../src/operations/drain.js';
import { HealthController } from '../../../src/operations/health.controller.js';
import { Readiness } from '../../../src/operations/readiness.js';
import { KeyRingService } from '../../../src/tokens/keys/key-ring.service.js';
import { ChangeFeed } from '../../../src/tokens/feed/change-feed.js';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';

async function controllerWith({
  database = true,
  fresh = true,
  canSign = true,
  stopping = false,
  distrust = undefined as string | undefined,
}): Promise<HealthController> {
  const pingCheck = (name: string) => Promise.resolve({ [name]: { status: database ? 'up' : 'down' } });
  const testing = await Test.createTestingModule({
    imports: [TerminusModule.forRoot({ logger: false })],
    controllers: [HealthController],
    providers: [
      Readiness,
      { provide: ChangeFeed, useValue: { isFresh: () => fresh } },
      { provide: DatabaseClock, useValue: { now: () => 0 } },
      { provide: Database, useValue: { distrust } },
      { provide: Drain, useValue: { stopping } },
      { provide: KeyRingService, useValue: { canSign: () => canSign } },
    ],
  })
    .overrideProvider(TypeOrmHealthIndicator)
    .useValue({ pingCheck })
    .compile();
  return testing.get(HealthController);
}

describe('a node', () => {
  it('is ready if the database is reachable, the feed is fresh and a key can sign', async () => {
    expect(await (await controllerWith({})).ready()).toEqual({ status: 'ok' });
    expect(await (await controllerWith({ distrust: 'standby' })).ready()).toEqual({ status: 'ok' });
  });

  it.each([
    ['database', { database: false }],
    ['revocation_feed', { fresh: false }],
    ['signing_key', { canSign: false }],
    ['stopping', { stopping: true }],
    ['database (standby)', { database: false, distrust: 'standby' }],
    ['database (read_only), revocation_feed', { fresh: false, distrust: 'read_only' }],
    ['database, revocation_feed, signing_key', { database: false, fresh: false, canSign: false }],
  ])('names the failing readiness check: %s', async (names, state) => {
    const controller = await controllerWith(state);
    await expect(controller.ready()).rejects.toMatchObject({
      status: 503,
      message: `Not ready: ${names}`,
      headers: { 'Retry-After': '1' },
    });
  });

  it('is alive even if no dependency is available', async () => {
    expect((await controllerWith({ database: false, fresh: false })).live()).toEqual({ status: 'ok' });
  });
});
