// What the test kit of the verifier package costs the tests of a service.
import { createTestKit } from '@tandem-auth/verifier/testing';
import { figure } from '../lib/compare.mjs';
import { ROUNDS } from '../lib/settings.mjs';

const TOKENS = 200;

export async function run() {
  const kit = await createTestKit();
  const token = [];
  const verified = [];
  for (let round = 0; round < ROUNDS; round++) {
    const times = await timesOf(() => kit.token({ role: 'editor' }));
    token.push(slowestOf(times));
    const headers = await Promise.all(Array.from({ length: TOKENS }, () => kit.headers()));
    verified.push(slowestOf(await timesOf(() => kit.verifier.verify(headers.pop()))));
  }
  const row = { group: 'Revocations for other services', unit: 'ms', atMost: 5 };
  return [
    figure({ ...row, what: 'test kit: a token, p99' }, token),
    figure({ ...row, what: 'test kit: the principal of a token, p99' }, verified),
  ];
}

async function timesOf(work) {
  const times = [];
  for (let index = 0; index < TOKENS; index++) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times;
}

/** The 99th percentile. */
function slowestOf(times) {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)];
}
