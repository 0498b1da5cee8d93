// What a login of better-auth costs at least: scrypt with its default parameters, by the fast implementation of Node, for SECONDS.
import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(scrypt);
const [N, r, p, length] = [16_384, 16, 1, 64];
const salt = randomBytes(16);
const hash = () => derive('a long enough pass phrase', salt, length, { N, r, p, maxmem: 256 * N * r });
await hash();
const before = process.cpuUsage();
const deadline = performance.now() + Number(process.env.SECONDS) * 1000;
let count = 0;
for (; performance.now() < deadline; count += 1) await hash();
const { user, system } = process.cpuUsage(before);
process.stdout.write(JSON.stringify({ cpuMs: (user + system) / 1000 / count }));
