// `npm run licences`: fails if a production dependency has a licence that is not on the list below.
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Permissive licences, by SPDX identifier: they ask for a notice, not for the source of the service. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
]);

/** Packages whose package.json names no licence; we have read it in the file that the comment names. */
const READ = new Map([['pause@0.0.1', 'MIT']]); // Readme.md

/** Whether an SPDX expression lets us choose allowed licences only. */
function isAllowed(expression) {
  const text = expression.trim().replace(/^\((.*)\)$/, '$1');
  if (/[()]/.test(text)) return false;
  return text.split(/\s+OR\s+/).some((choice) => choice.split(/\s+AND\s+/).every((id) => ALLOWED.has(id)));
}

/** The licence in a package.json; old ones have a list of objects. */
function licenceIn({ license, licenses }) {
  if (typeof license === 'string') return license;
  return [license, licenses]
    .flat()
    .flatMap((each) => each?.type ?? [])
    .join(' OR ');
}

/**
 * One line for each production dependency in the lock file whose licence is unknown or not allowed. The installed package.json counts;
 * for a package of another platform, which is not installed, the entry in the lock file does.
 *
 * @param {string} root a folder with package-lock.json and node_modules
 * @returns {string[]}
 */
export function refusedLicences(root) {
  const { packages } = JSON.parse(fs.readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const refused = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || entry.dev || entry.devOptional || entry.link) continue;
    const file = join(root, path, 'package.json');
    const found = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : entry;
    const id = `${path.replace(/^.*node_modules\//, '')}@${found.version}`;
    const licence = READ.get(id) ?? licenceIn(found);
    if (!isAllowed(licence)) refused.push(`${id}: ${licence || 'no licence'}`);
  }
  return refused;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const refused = refusedLicences(resolve(fileURLToPath(import.meta.url), '..', '..'));
  for (const line of refused) console.error(line);
  console.error(
    refused.length === 0 ? 'All licences are allowed' : 'Read these licences before you allow them',
  );
  process.exitCode = refused.length === 0 ? 0 : 1;
}
