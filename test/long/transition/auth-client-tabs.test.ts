import { describe, expect, it } from 'vitest';
import { withoutChromium } from '../../helpers/chromium.js';
import { torture } from './tabs/client-torture.js';

if (withoutChromium !== undefined) console.warn(`The client is not tested in tabs: ${withoutChromium}`);

describe.skipIf(withoutChromium !== undefined)(
  '@tandem-auth/client in twelve tabs and twelve programs',
  () => {
    it(
      'logs nobody out in 10,000 refreshes, whatever is lost, frozen, killed or rolled back',
      { timeout: 3_600_000 },
      async () => {
        const counts = await torture({ apps: 12, refreshes: 10_000, timeoutMs: 900_000, log: console.log });
        console.log(JSON.stringify(counts));
        expect(counts.answered).toBeGreaterThanOrEqual(10_000);
      },
    );
  },
);
