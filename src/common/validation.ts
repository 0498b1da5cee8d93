import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from '@nestjs/common';
import { refuse } from './common.errors.js';
import type { FieldError } from './problem.js';

/** Keys that would reach into the prototypes of whatever a body is copied to. */
const PROTOTYPE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Deeper than any request of ours; a recursive look at the body must end. */
const MAX_DEPTH = 16;

/** A field's name as a developer chooses one. Anything else in its place may be a secret, and no answer repeats it. */
const NAME = /^[a-z]\w{0,23}$/i;

const OTHER_NAME = '(unknown)';

function shown(name: string): string {
  return NAME.test(name) || /^\d{1,6}$/.test(name) ? name : OTHER_NAME;
}

/** Rules about the type of a value, the outermost first. */
const TYPE_RULES = ['isArray', 'isObject', 'isString', 'isBoolean', 'isInt', 'isNumber'];

/** Rules whose text misleads if the value has another type: `"10"` is not "greater than 100". */
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

/** The text of the rule that says most about a value that breaks several: its type, then its form, then its size. */
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
    // What is in a value of a wrong type says nothing more.
    return message === undefined ? fieldErrors(children ?? [], `${field}.`) : [{ field, message }];
  });
}

/** An answer must not grow beyond the request by the errors in it. */
const MAX_ERRORS = 32;

function invalid(errors: readonly FieldError[]) {
  return refuse('validation_failed', { errors: errors.slice(0, MAX_ERRORS) });
}

/** What PostgreSQL cannot hold, or would silently change: NUL, and half of a surrogate pair. */
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
 * A class of bodies that knows what most of them look like. `usual` gives an instance of one that keeps every rule of the class for
 * sure, at a glance; undefined for any other, which the rules are then applied to.
 */
export interface UsualBodies {
  usual(body: object): object | undefined;
}

/** What {@link validateBody} has made of a body. */
const validated = new WeakSet<object>();

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
    if (validated.has(given) && metadata.metatype !== undefined && given instanceof metadata.metatype)
      return given;
    if (metadata.type === 'body' && (typeof given !== 'object' || Array.isArray(given))) {
      throw invalid([{ field: 'body', message: 'the body must be a JSON object' }]);
    }
    const usual = usualOf(given, metadata.metatype);
    if (usual !== undefined) return usual;
    check(given, metadata.type, 0);
    return super.transform(given, metadata);
  }
}

function usualOf(body: object, metatype: object | undefined): object | undefined {
  return metatype !== undefined && 'usual' in metatype ? (metatype as UsualBodies).usual(body) : undefined;
}

export const validationPipe = new StrictValidationPipe({
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  transform: true,
  validationError: { target: false, value: false },
  exceptionFactory: (errors) => invalid(fieldErrors(errors)),
});

/**
 * What the pipe does, for a guard, which runs before pipes: the request's body becomes what was made of it, and the pipe
 * leaves it alone. Throws 400 `validation_failed`.
 */
export async function validateBody<T extends object>(
  type: new () => T,
  request: { body?: unknown },
): Promise<void> {
  const body = (await validationPipe.transform(request.body, { type: 'body', metatype: type })) as T;
  validated.add(body);
  request.body = body;
}
