import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from '@nestjs/common';
import { refuse } from '../common.errors.js';
import type { FieldError } from './problem.js';

/** Keys that would change the prototype of an object that the body is copied to. */
const PROTOTYPE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Deeper than any valid request. It bounds the recursive check of a body. */
const MAX_DEPTH = 16;

/** A field name as developers choose them. Any other name may be a secret, so no answer repeats it. */
const NAME = /^[a-z]\w{0,23}$/i;

const OTHER_NAME = '(unknown)';

function shown(name: string): string {
  return NAME.test(name) || /^\d{1,6}$/.test(name) ? name : OTHER_NAME;
}

/** Rules about the type of a value, the outermost type first. */
const TYPE_RULES = ['isArray', 'isObject', 'isString', 'isBoolean', 'isInt', 'isNumber'];

/** Rules whose message misleads if the value has the wrong type: `"10"` is not "greater than 100". */
const SIZE_RULES = new Set([
  'max',
  'min',
  'maxLength',
  'minLength',
  'isLength',
  'arrayMaxSize',
  'arrayMinSize',
  'arrayUnique',
]);

/** The message of the most helpful broken rule: about the type, otherwise the form, otherwise the size. */
function textOf(constraints: Readonly<Record<string, string>>): string | undefined {
  const broken = Object.keys(constraints);
  const rule =
    TYPE_RULES.find((type) => type in constraints) ??
    broken.find((name) => !SIZE_RULES.has(name)) ??
    broken[0];
  return rule === undefined ? undefined : constraints[rule]?.replace(/\b1 (character|element)s\b/, '1 $1');
}

function fieldErrors(errors: readonly ValidationError[], path = ''): FieldError[] {
  return errors.flatMap(({ property, constraints, children }) => {
    const name = shown(property);
    const field = `${path}${name}`;
    const text = textOf(constraints ?? {});
    const message = name === property ? text : text && 'this property should not exist';
    // The parts of a value of the wrong type are not interesting.
    return message === undefined ? fieldErrors(children ?? [], `${field}.`) : [{ field, message }];
  });
}

/** Bounds the answer: a small request must not cause a large one. */
const MAX_ERRORS = 32;

function invalid(errors: readonly FieldError[]) {
  return refuse('validation_failed', { errors: errors.slice(0, MAX_ERRORS) });
}

/** PostgreSQL cannot store NUL, and would silently change half of a surrogate pair. */
function isUnstorable(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}

function check(value: unknown, field: string, depth: number): void {
  if (depth > MAX_DEPTH) throw invalid([{ field, message: 'the value is nested too deeply' }]);
  if (typeof value === 'string' && isUnstorable(value)) {
    throw invalid([{ field, message: `${field} must be well-formed Unicode without NUL` }]);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (PROTOTYPE_KEYS.has(key) || isUnstorable(key)) {
      throw invalid([{ field, message: `${field} has a property that is not allowed` }]);
    }
    check(inner, depth === 0 ? shown(key) : `${field}.${shown(key)}`, depth + 1);
  }
}

/**
 * Refuses unknown fields, wrong types, prototype keys and text that cannot be stored: 400 `validation_failed` with the
 * fields. An absent body counts as an empty one.
 */
class StrictValidationPipe extends ValidationPipe {
  override async transform(
    value: unknown,
    metadata: Parameters<ValidationPipe['transform']>[1],
  ): Promise<unknown> {
    if (metadata.type !== 'body' && metadata.type !== 'query') return super.transform(value, metadata);
    const given = value ?? {};
    if (metadata.type === 'body' && (typeof given !== 'object' || Array.isArray(given))) {
      throw invalid([{ field: 'body', message: 'the body must be a JSON object' }]);
    }
    check(given, metadata.type, 0);
    return super.transform(given, metadata);
  }
}

export const validationPipe = new StrictValidationPipe({
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  transform: true,
  validationError: { target: false, value: false },
  exceptionFactory: (errors) => invalid(fieldErrors(errors)),
});
