// The yardstick of tokens seen for the first time: RS256 verifications of one core with node:crypto alone, for SECONDS.
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';

const { PUBLIC_PEM, TOKENS_FILE, SECONDS } = process.env;
const key = createPublicKey(PUBLIC_PEM);
const tokens = readFileSync(TOKENS_FILE, 'utf8').split('\n');
const started = performance.now();
const deadline = started + Number(SECONDS) * 1000;
let count = 0;
while (performance.now() < deadline) {
  const token = tokens[count % tokens.length];
  const dot = token.lastIndexOf('.');
  const input = Buffer.from(token.slice(0, dot));
  if (!verify('sha256', input, key, Buffer.from(token.slice(dot + 1), 'base64url')))
    throw new Error('not ours');
  count += 1;
}
process.stdout.write(String(count / ((performance.now() - started) / 1000)));
