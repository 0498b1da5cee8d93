import { ValidateBy, isISO8601 } from 'class-validator';
import type { ValidationOptions } from 'class-validator';

/** RFC 3339, section 5.6: date, time and zone, so that it is one moment whoever reads it. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** A moment as `2027-01-31T12:00:00Z`, with `Z` or an offset. */
export function IsTimestamp(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isTimestamp',
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' &&
          DATE_TIME.test(value) &&
          isISO8601(value, { strict: true, strictSeparator: true }) &&
          !Number.isNaN(Date.parse(value)),
        defaultMessage: (args) =>
          `${args?.property} must be a time with a zone, such as 2027-01-31T12:00:00Z`,
      },
    },
    options,
  );
}
