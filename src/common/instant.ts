import { ValidateBy } from 'class-validator';

const DATE = /^\d{4}-\d\d-\d\d$/;

/** RFC 3339, section 5.6. Seconds are optional. The zone is required, so that the text names one instant for every reader. */
const TIME =
  /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/**
 * The instant of a date (its start in UTC) or of a time with a zone, in milliseconds since the epoch. Undefined for other text. Every
 * date of a query or of the command line is parsed here.
 */
export function instantIn(text: unknown): number | undefined {
  if (typeof text !== 'string' || !(DATE.test(text) || TIME.test(text))) return undefined;
  // `Date.parse` reads 30 February as 2 March.
  const day = text.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  const exists = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return exists ? Date.parse(text) : undefined;
}

/** Accepts a time in a query: `2026-11-24`, or a time as in {@link IsTimestamp}. */
export function IsInstant(): PropertyDecorator {
  return ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (value: unknown) => instantIn(value) !== undefined,
      defaultMessage: (args) =>
        `${args?.property} must be a date such as 2026-11-24 or a time with a zone such as 2026-11-24T12:00:00Z`,
    },
  });
}

/** Accepts a time in a body: `2027-01-31T12:00:00Z`, with `Z` or an offset. Refuses a date without a time. */
export function IsTimestamp(): PropertyDecorator {
  return ValidateBy({
    name: 'isTimestamp',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' && !DATE.test(value) && instantIn(value) !== undefined,
      defaultMessage: (args) => `${args?.property} must be a time with a zone such as 2027-01-31T12:00:00Z`,
    },
  });
}
