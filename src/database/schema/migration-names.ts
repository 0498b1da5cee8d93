import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const MIGRATIONS_FOLDER = join(import.meta.dirname, '..', '..', '..', 'migrations');

let names: Promise<readonly string[]> | undefined;

/** The names of all migrations, as the migrations table holds them, in their order. */
export function migrationNames(): Promise<readonly string[]> {
  return (names ??= readNames());
}

async function readNames(): Promise<readonly string[]> {
  const files = (await readdir(MIGRATIONS_FOLDER)).filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
  const modules = await Promise.all(
    files.toSorted().map((name) => import(pathToFileURL(join(MIGRATIONS_FOLDER, name)).href)),
  );
  return modules
    .flatMap((module) => Object.values(module as object))
    .map(({ name }: { name: string }) => name);
}
