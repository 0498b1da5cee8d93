import { afterAll, beforeAll, describe } from 'vitest';
import { findsSessions } from './finding.js';
import { extendsSessions, leavesLifetimes } from './lifetimes.js';
import { followsTheProduct } from './product-endings.js';
import { survivesRaces } from './races.js';
import { revokesSessions } from './revocations.js';
import { StoreUnderTest } from './store-under-test.js';
import type { Limits, StartedStore } from './store-under-test.js';

export interface ContractOptions {
  readonly limits?: Limits;
  /** Why the store cannot be started here. */
  readonly reason?: string | undefined;
}

/** What every store of sessions promises. */
export function sessionStoreContract(
  name: string,
  start: () => Promise<StartedStore>,
  { limits = {}, reason }: ContractOptions = {},
): void {
  describe.skipIf(reason !== undefined)(`sessions in ${name}`, () => {
    let started: StartedStore;
    let store: StoreUnderTest;
    const under = () => store;
    beforeAll(async () => {
      started = await start();
      for (const each of started.nodes) await each.feed.start();
      store = new StoreUnderTest(started);
    });
    afterAll(() => started?.stop());

    findsSessions(under, limits);
    followsTheProduct(under, limits);
    if (limits.opaque) leavesLifetimes(under);
    else extendsSessions(under);
    revokesSessions(under, limits);
    survivesRaces(under, limits);
  });
}
