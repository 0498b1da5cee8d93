import { afterEach, describe, expect, it } from 'vitest';
import { NodeProcess } from '../../helpers/node-process.js';

/** The exit code of a start that is refused because of the settings. */
const EX_CONFIG = 78;

const FAULT = /^ROLLOUT_PHASE must be one of /gm;

describe('a start with a faulty setting of the transition', () => {
  let node: NodeProcess;
  afterEach(() => node.remove());

  it.each(['1', '2'])('is refused with one line, with WORKERS=%s', async (WORKERS) => {
    node = await NodeProcess.spawn({
      databaseUrl: 'postgresql://nobody@127.0.0.1:1/none',
      env: { WORKERS, ROLLOUT_PHASE: 'on' },
    });
    expect(await node.exited).toBe(EX_CONFIG);
    expect(node.output.match(FAULT)).toHaveLength(1);
  });

  it('names the faults of the service, too, with WORKERS=2', async () => {
    node = await NodeProcess.spawn({
      databaseUrl: 'postgresql://nobody@127.0.0.1:1/none',
      env: { WORKERS: '2', ROLLOUT_PHASE: 'on', TOKEN_EXPIRY: 'long' },
    });
    expect(await node.exited).toBe(EX_CONFIG);
    expect(node.output.match(FAULT)).toHaveLength(1);
    expect(node.output).toMatch(/^TOKEN_EXPIRY must be /m);
  });
});
