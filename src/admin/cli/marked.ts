import type { DynamicModule, Type } from '@nestjs/common';

/** The classes with that metadata key among the providers of the modules and of all that those import, each once. */
export function markedIn(mark: symbol, modules: readonly unknown[]): object[] {
  const seen = new Set<unknown>();
  const found = new Set<object>();
  const visit = (node: unknown): void => {
    const dynamic: Partial<DynamicModule> = isDynamic(node) ? node : {};
    const module: unknown = isDynamic(node) ? node.module : node;
    if (typeof module !== 'function' || (seen.has(module) && !isDynamic(node))) return;
    seen.add(module);
    for (const provider of [...listed('providers', module), ...(dynamic.providers ?? [])]) {
      if (typeof provider === 'function' && Reflect.hasOwnMetadata(mark, provider)) found.add(provider);
    }
    for (const next of [...listed('imports', module), ...(dynamic.imports ?? [])]) visit(next);
  };
  for (const module of modules) visit(module);
  return [...found];
}

function isDynamic(node: unknown): node is DynamicModule {
  return typeof node === 'object' && node !== null && 'module' in node;
}

function listed(what: 'providers' | 'imports', module: object): unknown[] {
  return (Reflect.getMetadata(what, module as Type) as unknown[] | undefined) ?? [];
}
