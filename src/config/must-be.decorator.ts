import { Transform } from 'class-transformer';
import { ValidateBy } from 'class-validator';

/** The variables that a rule can see besides its own. */
interface OtherVariables {
  readonly NODE_ENV?: string;
}

/**
 * The value must satisfy `allows`. An unset variable always passes. The error reads `<VARIABLE> must be <what>` and never contains the
 * value, which may be a secret.
 */
export function MustBe(what: string, allows: (value: unknown) => boolean): PropertyDecorator {
  return rule('mustBe', `be ${what}`, (value) => value === undefined || allows(value));
}

/**
 * The value must not satisfy `refuses`. An unset variable always passes. The error reads `<VARIABLE> must not <what>` and never contains
 * the value.
 */
export function MustNot(what: string, refuses: (value: unknown) => boolean): PropertyDecorator {
  return rule('mustNot', `not ${what}`, (value) => value === undefined || !refuses(value));
}

/** A decimal integer from `min` to `max` inclusive, without sign, exponent, spaces or leading zeros. */
export function MustBeWholeNumber(min: number, max: number, unit = ''): PropertyDecorator {
  const check = MustBe(
    `a whole number ${unit && `of ${unit} `}from ${min} to ${max}`,
    (value) => typeof value === 'number' && value >= min && value <= max,
  );
  const convert = Transform(({ value }: { value: unknown }) => parseWholeNumber(value));
  return (target, property) => {
    check(target, property);
    convert(target, property as string);
  };
}

/** Adds a rule that depends on other variables too. An unset variable always passes. */
export function MustBeInContext(
  what: string,
  allows: (value: unknown, others: object) => boolean,
): PropertyDecorator {
  return rule(
    'mustBeInContext',
    `be ${what}`,
    (value, others) => value === undefined || allows(value, others),
  );
}

/** Adds a rule for production only, which may depend on other variables. There, `allows` is called for an unset variable too. */
export function MustBeInProduction(
  what: string,
  allows: (value: unknown, others: object) => boolean,
): PropertyDecorator {
  return rule(
    'mustBeInProduction',
    `be ${what} (in production)`,
    (value, others) => others.NODE_ENV !== 'production' || allows(value, others),
  );
}

/** The variable must be set if `other` is set. */
export function RequiredWith(other: string): PropertyDecorator {
  return rule(
    'requiredWith',
    `be set because ${other} is set`,
    (value, others) => value !== undefined || (others as Record<string, unknown>)[other] === undefined,
  );
}

/** The text for {@link MustBe} of a rule that allows only `values`. */
export function oneOf(values: readonly string[]): string {
  return `one of ${values.join(', ')}`;
}

function rule(
  name: string,
  what: string,
  holds: (value: unknown, others: OtherVariables) => boolean,
): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value: unknown, args) => holds(value, (args?.object ?? {}) as OtherVariables),
      defaultMessage: (args) => `${args?.property} must ${what}`,
    },
  });
}

/** Converts a decimal integer to a number. Returns any other value unchanged, so that the rule refuses it. */
function parseWholeNumber(value: unknown): unknown {
  return typeof value === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value;
}
