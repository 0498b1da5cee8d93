import { posix, relative, sep } from 'node:path';

/**
 * The lint rule `tandem/imports`: dependencies point one way, at every depth, for types too. Each folder of `src/` is listed with the
 * folders that it may import. A folder that is not listed here is an error. The files in `src/` itself compose the service: they may
 * import any folder but `transition`, and no folder may import them.
 */
const BASE = ['common', 'config'];
const DATABASE = [...BASE, 'database'];
const LIMITS = [...DATABASE, 'limits'];
const WEBHOOKS = [...LIMITS, 'audit', 'webhooks'];
const USERS = [...WEBHOOKS, 'users'];
const TOKENS = [...USERS, 'tokens'];
const AUTH = [...TOKENS, 'auth'];
const ALLOWED = {
  config: BASE,
  common: BASE,
  database: DATABASE,
  limits: LIMITS,
  audit: [...LIMITS, 'audit'],
  webhooks: WEBHOOKS,
  users: USERS,
  tokens: TOKENS,
  auth: AUTH,
  api: [...AUTH, 'api'],
  oauth: [...AUTH, 'oauth'],
  cluster: [...BASE, 'cluster'],
  operations: [...AUTH, 'cluster', 'operations'],
  admin: [...AUTH, 'api', 'oauth', 'operations', 'admin'],
  transition: [...AUTH, 'api', 'oauth', 'operations', 'admin', 'transition'],
};

/** The only file that may import `transition`: v3.0 deletes that folder. */
const COMPOSITION = 'app.module.ts';

/** Packages that only some files may import. */
const PACKAGES = {
  typeorm: /^database\/|\.(?:store|entity)\.ts$/,
  '@nestjs/typeorm': /^database\/|\.(?:store|module)\.ts$/,
};

const SOURCE = 'src/';

/** The specifier of a static, dynamic or type import, or of an export from another file. */
function specifierOf({ type, source, argument, moduleReference }) {
  if (type === 'TSImportType') return source ?? argument?.literal ?? argument;
  if (type === 'TSImportEqualsDeclaration') return moduleReference.expression;
  return source;
}

/** The path under `src/` that a relative specifier names; undefined if it names none. */
function pathUnderSource(file, specifier) {
  const path = posix.join(posix.dirname(file), specifier);
  return path.startsWith(SOURCE) ? path.slice(SOURCE.length) : undefined;
}

const folderOf = (path) => (path.includes('/') || !path.includes('.') ? path.split('/')[0] : undefined);

const imports = {
  meta: {
    type: 'problem',
    docs: { description: 'Import only what a lower layer offers' },
    messages: {
      layer: '{{from}} must not import {{to}}. Dependencies point one way: see scripts/lint/imports.mjs.',
      root: '{{from}} must not import {{to}}: the files in src/ compose the folders.',
      transition: 'Only src/app.module.ts may import src/transition: v3.0 deletes it.',
      package: 'Only stores, entities, modules and src/database may import {{to}}.',
      controller: 'A controller calls services, not stores: {{to}}.',
      unknown: 'Add the folder {{from}} to the table in scripts/lint/imports.mjs.',
    },
  },
  create(context) {
    const file = relative(context.cwd, context.filename).replaceAll(sep, '/');
    if (!file.startsWith(SOURCE)) return {};
    const path = file.slice(SOURCE.length);
    const from = folderOf(path);
    const allowed = from === undefined ? undefined : ALLOWED[from];

    function faultOf(specifier) {
      const only = PACKAGES[Object.keys(PACKAGES).find((name) => `${specifier}/`.startsWith(`${name}/`))];
      if (only !== undefined) return only.test(path) ? undefined : ['package', specifier];
      if (!specifier.startsWith('.')) return undefined;
      const target = pathUnderSource(file, specifier);
      if (target === undefined) return undefined;
      if (path.endsWith('.controller.ts') && target.endsWith('.store.js')) return ['controller', target];
      const to = folderOf(target);
      if (to === 'transition' && from !== 'transition')
        return path === COMPOSITION ? undefined : ['transition', target];
      if (from === undefined) return undefined;
      if (to === undefined) return ['root', target];
      return allowed.includes(to) ? undefined : ['layer', `src/${to}`];
    }

    function check(node) {
      const specifier = specifierOf(node);
      if (typeof specifier?.value !== 'string') return;
      const [messageId, to] = faultOf(specifier.value) ?? [];
      if (messageId !== undefined)
        context.report({ node: specifier, messageId, data: { from: from ?? path, to } });
    }

    if (from !== undefined && allowed === undefined)
      return { Program: (node) => context.report({ node, messageId: 'unknown', data: { from } }) };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
      TSImportEqualsDeclaration: check,
    };
  },
};

export default imports;
