import { Transform } from 'class-transformer';
import { ValidateBy } from 'class-validator';

/** What rules see of the environment they belong to. */
interface Surroundings {
  readonly NODE_ENV?: string;
}

/**
 * States what a variable takes. An unset variable always passes, and the fault's text, `<VARIABLE> takes <what>`, never
 * repeats the value, which may be a secret.
 */
export function Takes(what: string, allows: (value: unknown) => boolean): PropertyDecorator {
  return rule('takes', what, (value) => value === undefined || allows(value));
}

/** Refuses values that {@link Takes} allows, and says what they would do. */
export function Refuses(what: string, refuses: (value: unknown) => boolean): PropertyDecorator {
  return rule('refuses', `nothing that ${what}`, (value) => value === undefined || !refuses(value));
}

/** A strict decimal integer within the bounds, both included: no sign, exponent, space or leading zero. */
export function TakesWholeNumber(min: number, max: number, unit = ''): PropertyDecorator {
  const takes = Takes(
    `a whole number ${unit && `of ${unit} `}from ${min} to ${max}`,
    (value) => typeof value === 'number' && value >= min && value <= max,
  );
  const convert = Transform(({ value }: { value: unknown }) => wholeNumber(value));
  return (target, property) => {
    takes(target, property);
    convert(target, property as string);
  };
}

/** Adds a rule on what other variables hold, too. An unset variable always passes. */
export function TakesBeside(
  what: string,
  allows: (value: unknown, surroundings: object) => boolean,
): PropertyDecorator {
  return rule(
    'takesBeside',
    what,
    (value, surroundings) => value === undefined || allows(value, surroundings),
  );
}

/** Adds a rule that holds in production only. There an unset variable is judged too. */
export function InProductionTakes(what: string, allows: (value: unknown) => boolean): PropertyDecorator {
  return rule(
    'inProductionTakes',
    `${what} in production`,
    (value, { NODE_ENV }) => NODE_ENV !== 'production' || allows(value),
  );
}

/** Demands the variable wherever `other` is set. */
export function ComesWith(other: string): PropertyDecorator {
  return rule(
    'comesWith',
    `a value because ${other} has one: they come together`,
    (value, surroundings) =>
      value !== undefined || (surroundings as Record<string, unknown>)[other] === undefined,
  );
}

function rule(
  name: string,
  what: string,
  holds: (value: unknown, surroundings: Surroundings) => boolean,
): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value: unknown, args) => holds(value, (args?.object ?? {}) as Surroundings),
      defaultMessage: (args) => `${args?.property} takes ${what}`,
    },
  });
}

function wholeNumber(value: unknown): unknown {
  return typeof value === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value;
}
