import { runDocument } from './doc-blocks.js';
import { ADMIN, NodeProcess } from './node-process.js';

/** Milliseconds that a test may take which runs a document: with a node of its own. */
export const DOCUMENT_TIMEOUT = 240_000;

/**
 * Runs the blocks of a document against a node that is started as the README does it: with a database of its own, so the
 * demonstration user is there. Rejects with what was printed if one fails; leaves nothing behind.
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
