// From the start of the process to the first 200 of /health/ready, built and migrated.
import { figure } from '../lib/compare.mjs';
import { startService } from '../lib/service.mjs';
import { PORT, ROUNDS } from '../lib/settings.mjs';

export async function run({ database }) {
  const times = [];
  for (let turn = 0; turn < ROUNDS; turn++) {
    const began = performance.now();
    const node = await startService(database, PORT + 2, { KEYS_DIR: `${database.folder}/keys-2` });
    times.push(performance.now() - began);
    await node.end();
  }
  return [figure({ group: 'Operation', what: 'start to ready', unit: 'ms', atMost: 3000 }, times)];
}
