// The yardstick of logins: argon2id verifications with the service's parameters, as many at once as it runs, for SECONDS.
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';

const PASSWORD = 'a long enough pass phrase';
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1, algorithm: 2 };
const stored = await hash(PASSWORD, parameters);
const lanes = Math.max(1, availableParallelism() - 1);
// The first ones make the pool's threads.
await Promise.all(Array.from({ length: 8 }, () => verify(stored, PASSWORD)));
const before = process.cpuUsage();
const started = performance.now();
const deadline = started + Number(process.env.SECONDS) * 1000;
let count = 0;
await Promise.all(
  Array.from({ length: lanes }, async () => {
    while (performance.now() < deadline) {
      await verify(stored, PASSWORD);
      count += 1;
    }
  }),
);
const { user, system } = process.cpuUsage(before);
const perSecond = count / ((performance.now() - started) / 1000);
process.stdout.write(JSON.stringify({ perSecond, cpuMs: (user + system) / 1000 / count }));
