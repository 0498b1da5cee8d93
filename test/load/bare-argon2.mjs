// The yardstick of logins: argon2id verifications with the service's parameters, as many at once as it runs, for SECONDS.
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';

const stored = await hash('a long enough pass phrase', {
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
  algorithm: 2,
});
const lanes = Math.max(1, availableParallelism() - 1);
const started = performance.now();
const deadline = started + Number(process.env.SECONDS) * 1000;
let count = 0;
await Promise.all(
  Array.from({ length: lanes }, async () => {
    while (performance.now() < deadline) {
      await verify(stored, 'a long enough pass phrase');
      count += 1;
    }
  }),
);
process.stdout.write(String(count / ((performance.now() - started) / 1000)));
