// Must parse on Node 20: it is for those who run an older Node than the service needs.
import fs from 'node:fs';
import { join } from 'node:path';

/** The least Node that runs the service: the first 22 with all that its dependencies ask for. */
export const LEAST_NODE = [22, 12];

/** Whether the service runs on a Node of that version ("22.12.0"). */
export function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
}

/**
 * Why an older Node does not do and what helps, in one line. npm ci brings a newer Node with the package `node`, which is a
 * development dependency: production hosts have their own.
 *
 * @param {string} root the checkout
 * @param {string} version of the Node that runs ("20.19.0")
 */
export function whyNodeIsNeeded(root, version) {
  const needed = `Node ${LEAST_NODE.join('.')} or newer is needed, and this is ${version}.`;
  const modules = join(root, 'node_modules');
  if (!fs.existsSync(modules)) return `${needed} Run npm ci, which brings one, or install Node 24.`;
  if (!fs.existsSync(join(modules, 'node')))
    return (
      `${needed} npm ci left out the package node, which brings one, because it is a development dependency ` +
      '(--omit=dev or NODE_ENV=production): install Node 24, or run npm ci --include=dev.'
    );
  return `${needed} The package node, which brings one, is installed without its program: run npm ci with install scripts on, or install Node 24.`;
}
