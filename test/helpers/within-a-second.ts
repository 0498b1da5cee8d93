import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';

const PROMISED_MS = 1_000;
const GIVE_UP_MS = 20_000;

/**
 * Waits until the node refuses what has just been revoked. Call it when the revocation was answered. A node that is more than a second
 * late may answer 503, but must not accept: that holds on a slow machine too.
 */
export async function refusedWithinASecond(node: { refuses(): boolean; accepts(): boolean }): Promise<void> {
  const start = performance.now();
  for (;;) {
    const elapsed = performance.now() - start;
    const accepts = node.accepts();
    if (elapsed > PROMISED_MS)
      expect(accepts, `accepted ${Math.round(elapsed)} ms after the revocation`).toBe(false);
    if (node.refuses()) return;
    if (elapsed > GIVE_UP_MS) throw new Error('the node never learned of the revocation');
    await sleep(10);
  }
}
