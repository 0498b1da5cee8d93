// `npm run -s sbom > sbom.json`: the production dependencies as a CycloneDX document.
// `npm sbom --omit dev` also omits packages that production and development share, such as @nestjs/common. So we take all and filter.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const isForDevelopment = ({ properties = [] }) =>
  properties.some(({ name }) => name === 'cdx:npm:package:development');

/** The document without components that only development needs. Throws if it lacks one of `required`. */
export function productionOnly(sbom, required) {
  const components = sbom.components.filter((component) => !isForDevelopment(component));
  const kept = new Set(components.map((component) => component['bom-ref']));
  const missing = required.filter((ref) => !kept.has(ref));
  if (missing.length > 0) throw new Error(`the SBOM lacks ${missing.join(', ')}`);
  const dependencies = sbom.dependencies
    .filter(({ ref }) => kept.has(ref) || ref === sbom.metadata.component['bom-ref'])
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => kept.has(each)) }));
  return { ...sbom, components, dependencies };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(fileURLToPath(import.meta.url), '..', '..');
  const { dependencies } = JSON.parse(fs.readFileSync(resolve(root, 'package.json'), 'utf8'));
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, shell: process.platform === 'win32' };
  const all = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], options);
  const required = Object.entries(dependencies).map(([name, version]) => `${name}@${version}`);
  process.stdout.write(`${JSON.stringify(productionOnly(JSON.parse(all), required), undefined, 2)}\n`);
}
