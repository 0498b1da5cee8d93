import { join } from 'node:path';
import { rolldown } from 'rolldown';

const ROOT = join(import.meta.dirname, '..', '..');
const CLIENT = join(ROOT, 'packages', 'client', 'src');

export interface BundleOptions {
  readonly platform?: 'browser' | 'node';
  /** `iife`: the exports become the properties of the variable `app`. */
  readonly format?: 'esm' | 'iife';
  /** The texts of modules that are in no file, by the names with which others import them. */
  readonly modules?: Readonly<Record<string, string>>;
}

/** A module and what it imports in one script. `entry` is a path in the checkout, or the name of one of the `modules`. */
export async function bundled(
  entry: string,
  { platform = 'browser', format = 'esm', modules = {} }: BundleOptions = {},
): Promise<string> {
  const paths = new Map(Object.keys(modules).map((name) => [name, join(ROOT, 'test', name)]));
  const texts = new Map(Object.entries(modules).map(([name, text]) => [paths.get(name), text]));
  const bundle = await rolldown({
    input: modules[entry] === undefined ? join(ROOT, entry) : entry,
    platform,
    plugins: [{ name: 'modules', resolveId: (name) => paths.get(name), load: (path) => texts.get(path) }],
    resolve: {
      alias: {
        '@tandem-auth/client/react': join(CLIENT, 'react.ts'),
        '@tandem-auth/client': join(CLIENT, 'index.ts'),
      },
    },
    transform: { define: { 'process.env.NODE_ENV': '"development"' } },
  });
  const { output } = await bundle.generate({ format, name: 'app' });
  return output[0].code;
}
