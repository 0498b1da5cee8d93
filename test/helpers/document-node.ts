import { runDocument } from './doc-blocks.js';
import { ADMIN, NodeProcess } from './node-process.js';

/** Timeout in milliseconds for a test that runs a document on its own node. */
export const DOCUMENT_TIMEOUT = 240_000;

/**
 * Runs the blocks of a document against a node that is started as in the README: with its own database and the demonstration user.
 * Rejects with the output of the first block that fails. Stops the node and deletes its files in any case.
 */
export async function runOnOwnNode(path: string): Promise<void> {
  const node = await NodeProcess.start({ env: { TOKEN_EXPIRY: '900' } });
  try {
    await runDocument(path, node.url, {
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
      ...node.environment,
    });
  } finally {
    await node.remove();
  }
}
