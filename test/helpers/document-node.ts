import { runDocument } from './doc-blocks.js';
import { ADMIN, NodeProcess } from './node-process.js';

/** Timeout in milliseconds for a test that runs a document on its own node. */
export const DOCUMENT_TIMEOUT = 240_000;

/**
 * Runs the blocks of a document against a node that is started as in the README: with its own database and the demonstration user.
 * With `section`, only the blocks below that heading run. `settings` are added to those of the node. Rejects with the output of the first
 * block that fails. Stops the node and deletes its files in any case.
 */
export async function runOnOwnNode(
  path: string,
  { section, settings = {} }: { section?: string; settings?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const node = await NodeProcess.start({ env: { TOKEN_EXPIRY: '900', ...settings } });
  try {
    const login = { ADMIN_USERNAME: ADMIN.username, ADMIN_PASSWORD: ADMIN.password };
    await runDocument(path, node.url, { ...login, ...node.environment }, section);
  } finally {
    await node.remove();
  }
}
