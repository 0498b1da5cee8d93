import { afterAll, beforeAll, describe, it } from 'vitest';
import { runDocument } from '../../helpers/doc-blocks.js';
import { ADMIN, NodeProcess } from '../../helpers/node-process.js';

describe('the migration guide', () => {
  let node: NodeProcess;
  beforeAll(async () => {
    node = await NodeProcess.start({ env: { TOKEN_EXPIRY: '900' } });
  });
  afterAll(() => node?.remove());

  it('does what it shows', { timeout: 120_000 }, async () => {
    await runDocument('docs/auth-migration-guide.md', node.url, {
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
      ...node.environment,
    });
  });
});
