import { afterEach, describe, it } from 'vitest';
import { runDocument } from '../../helpers/doc-blocks.js';
import { ADMIN, NodeProcess } from '../../helpers/node-process.js';

/** What they show goes with the transition. */
const EXECUTED = ['docs/auth-migration-guide.md', 'docs/admin/rollout-report.md'];

describe('a document of the transition', () => {
  let node: NodeProcess | undefined;
  afterEach(async () => {
    await node?.remove();
    node = undefined;
  });

  it.each(EXECUTED)('%s does what it shows', { timeout: 120_000 }, async (path) => {
    node = await NodeProcess.start({ env: { TOKEN_EXPIRY: '900' } });
    await runDocument(path, node.url, {
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
      ...node.environment,
    });
  });
});
