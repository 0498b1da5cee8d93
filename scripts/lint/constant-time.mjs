/**
 * The lint rule `tandem/constant-time`: nothing that is derived from a secret is compared by an operator or method that stops at the
 * first difference. Its duration would tell an attacker how much of a guess is right. Use `timingSafeEqual`.
 *
 * An expression counts as secret if its name says so (`mac`, `passwordHash`, `signatureOf(…)`) or if it is computed from one that does,
 * through any number of variables. Comparisons with a literal, `undefined` and `null` are free: they tell nothing of a secret.
 */
const SECRET_WORDS = new Set(
  'mac macs hmac tag tags digest digests hash hashes signature signatures secret secrets password passwords passphrase fingerprint'.split(
    ' ',
  ),
);

/** Node's own, by the names under which they are imported. */
const SECRET_CALLS = /^(?:create(?:Hmac|Hash)|hkdf|pbkdf2|scrypt|argon2)(?:Sync)?$/;

/** Their result is as secret as what they are given. */
const CONVERSIONS = new Set([
  'from',
  'concat',
  'of',
  'String',
  'encodeURIComponent',
  'decodeURIComponent',
  'Uint8Array',
  'Buffer',
]);

/** Methods whose result says little of what they are called on. */
const HARMLESS =
  /^(?:is|has|can|must|may|needs|verify|check|match|matches|equal|test|count|delete|add|set|push)(?![a-z])/;

const OPERATORS = new Set(['==', '===', '!=', '!==']);

/** On buffers of any name. */
const BUFFER_COMPARISONS = new Set(['equals', 'compare']);

/** On what is secret, or given what is secret. */
const COMPARISONS = new Set([
  'localeCompare',
  'includes',
  'indexOf',
  'lastIndexOf',
  'startsWith',
  'endsWith',
  'is',
  'isDeepStrictEqual',
  'deepEqual',
  'deepStrictEqual',
  'strictEqual',
]);

const WRAPPERS = new Set([
  'AwaitExpression',
  'ChainExpression',
  'ParenthesizedExpression',
  'TSAsExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'TSTypeAssertion',
]);

/** Variables that are followed from one to the next. */
const MOST_STEPS = 8;

const wordsOf = (name) =>
  name.split(/[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).map((word) => word.toLowerCase());

const isSecretName = (name) => name !== undefined && wordsOf(name).some((word) => SECRET_WORDS.has(word));

function nameOf(node) {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'PrivateIdentifier') return node.name;
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined;
  if (node.type !== 'MemberExpression') return undefined;
  return node.computed && node.property.type !== 'Literal' ? undefined : nameOf(node.property);
}

function isFree(node) {
  if (WRAPPERS.has(node.type)) return isFree(node.expression ?? node.argument);
  if (node.type === 'UnaryExpression') return node.operator !== '!' || isFree(node.argument);
  return (
    node.type === 'Literal' ||
    (node.type === 'TemplateLiteral' && node.expressions.length === 0) ||
    (node.type === 'Identifier' && node.name === 'undefined')
  );
}

function variableOf(node, sourceCode) {
  for (let scope = sourceCode.getScope(node); scope !== null; scope = scope.upper) {
    const variable = scope.set.get(node.name);
    if (variable !== undefined) return variable;
  }
  return undefined;
}

/** Whether the variable is given something secret where it is declared or assigned. */
function holdsSecret(node, sourceCode, steps) {
  const variable = variableOf(node, sourceCode);
  if (variable === undefined || steps === 0) return false;
  const declared = variable.defs.some(
    ({ type, node: { id, init } }) =>
      type === 'Variable' &&
      init != null &&
      id.type === 'Identifier' &&
      isSecret(init, sourceCode, steps - 1),
  );
  return (
    declared ||
    variable.references.some(
      ({ writeExpr, init }) => !init && writeExpr != null && isSecret(writeExpr, sourceCode, steps - 1),
    )
  );
}

function isSecret(node, sourceCode, steps = MOST_STEPS) {
  const inner = (each) => isSecret(each, sourceCode, steps);
  if (WRAPPERS.has(node.type)) return inner(node.expression ?? node.argument);
  switch (node.type) {
    case 'Identifier':
      return isSecretName(node.name) || holdsSecret(node, sourceCode, steps);
    case 'MemberExpression':
      return (
        isSecretName(nameOf(node)) || (node.computed && nameOf(node) === undefined && inner(node.object))
      );
    case 'TemplateLiteral':
      return node.expressions.some(inner);
    case 'ConditionalExpression':
      return inner(node.consequent) || inner(node.alternate);
    case 'LogicalExpression':
      return inner(node.left) || inner(node.right);
    case 'BinaryExpression':
      return node.operator === '+' && (inner(node.left) || inner(node.right));
    case 'AssignmentExpression':
      return inner(node.right);
    case 'NewExpression':
    case 'CallExpression':
      return isSecretCall(node, inner);
    default:
      return false;
  }
}

function isSecretCall({ callee, arguments: given }, inner) {
  const name = nameOf(callee);
  if (name === undefined) return false;
  if (SECRET_CALLS.test(name)) return true;
  if (HARMLESS.test(name)) return false;
  if (isSecretName(name)) return true;
  if (
    CONVERSIONS.has(name) &&
    given.some((each) => inner(each.type === 'SpreadElement' ? each.argument : each))
  )
    return true;
  return callee.type === 'MemberExpression' && inner(callee.object) && !COMPARISONS.has(name);
}

const constantTime = {
  meta: {
    type: 'problem',
    docs: { description: 'Compare MACs, hashes and secrets in constant time' },
    messages: {
      early:
        'This comparison stops at the first difference, and so tells how much of a secret was guessed: use timingSafeEqual.',
    },
  },
  create(context) {
    const { sourceCode } = context;
    const secret = (node) => isSecret(node, sourceCode);
    const report = (node) => context.report({ node, messageId: 'early' });
    return {
      BinaryExpression(node) {
        const { operator, left, right } = node;
        if (OPERATORS.has(operator) && !isFree(left) && !isFree(right) && (secret(left) || secret(right)))
          report(node);
      },
      SwitchStatement(node) {
        const compared = node.cases.flatMap(({ test }) => (test === null || isFree(test) ? [] : [test]));
        if (compared.length > 0 && [node.discriminant, ...compared].some(secret)) report(node);
      },
      CallExpression(node) {
        const name = nameOf(node.callee);
        const isMethod = node.callee.type === 'MemberExpression';
        if (isMethod && BUFFER_COMPARISONS.has(name)) return report(node);
        if (!COMPARISONS.has(name)) return undefined;
        const compared = node.arguments.filter((each) => each.type !== 'SpreadElement');
        if (compared.length === 0 || compared.some(isFree)) return undefined;
        if ([...(isMethod ? [node.callee.object] : []), ...compared].some(secret)) report(node);
        return undefined;
      },
    };
  },
};

export default constantTime;
