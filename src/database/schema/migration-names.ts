import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const MIGRATIONS_FOLDER = join(import.meta.dirname, '..', '..', '..', 'migrations');

/** The names of all migrations, as the migrations table holds them, in their order. */
export async function migrationNames(): Promise<string[]> {
  const files = (await readdir(MIGRATIONS_FOLDER)).filter((name) => /(?<!\.d)\.[jt]s$/.test(name));
  const modules = await Promise.all(
    files.toSorted().map((name) => import(pathToFileURL(join(MIGRATIONS_FOLDER, name)).href)),
  );
  return modules
    .flatMap((module) => Object.values(module as object))
    .map(({ name }: { name: string }) => name);
}
