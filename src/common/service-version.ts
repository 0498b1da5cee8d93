import { existsSync, readFileSync } from 'node:fs';

/** The version of this service, from its package.json. Independent of the working directory. Built code is one folder deeper. */
export function serviceVersion(): string {
  const [file] = ['../../package.json', '../../../package.json']
    .map((path) => new URL(path, import.meta.url))
    .filter((url) => existsSync(url));
  return (JSON.parse(readFileSync(file!, 'utf8')) as { version: string }).version;
}
