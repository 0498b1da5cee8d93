// Must parse on Node 20: this runs on hosts whose Node is older than the service needs.
import fs from 'node:fs';
import { join } from 'node:path';

/** `^22.22.3 || ^24.15.0`: what all dependencies support. test/unit/scripts/node-needed.test.ts compares the two. */
const { engines } = JSON.parse(fs.readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** The oldest supported release of each major version, oldest first: [[22, 22, 3], [24, 15, 0]]. */
const OLDEST = engines.node.split(' || ').map((range) => range.slice(1).split('.').map(Number));

/** Whether the service runs on a Node of that version ("24.15.0"). A newer major version than the tested ones may run it. */
export function isNewEnough(version) {
  const [major, minor, patch] = version.split('.').map(Number);
  const oldest = OLDEST.find((each) => each[0] === major);
  if (oldest === undefined) return major > OLDEST[OLDEST.length - 1][0];
  return minor > oldest[1] || (minor === oldest[1] && patch >= oldest[2]);
}

/**
 * One line that says why the host's Node is too old and what to do. `npm ci` installs a newer one with the package `node`, which is a
 * development dependency: production hosts bring their own.
 *
 * @param {string} root the checkout
 * @param {string} version of the Node that runs ("20.19.0")
 */
export function whyNodeIsNeeded(root, version) {
  const needed = `Tandem needs Node ${engines.node}, and this is ${version}.`;
  const modules = join(root, 'node_modules');
  if (!fs.existsSync(modules)) return `${needed} Run npm ci, which installs one, or install Node 24.`;
  if (!fs.existsSync(join(modules, 'node')))
    return (
      `${needed} npm ci did not install the package node, which contains one, because it is a development dependency ` +
      '(--omit=dev or NODE_ENV=production): install Node 24, or run npm ci --include=dev.'
    );
  return `${needed} The package node, which contains one, is installed without its program: run npm ci with install scripts on, or install Node 24.`;
}
