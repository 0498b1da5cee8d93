/** How ids and times have to be written in requests to administer. */
export const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
export const AN_ID = { message: '$property must be a UUID' };

/** RFC 3339: with the time and the zone, so that nobody has to guess what is meant. */
export const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/;
export const AN_INSTANT = { message: '$property must be a time like 2026-11-24T09:30:00Z' };

/** For a Transform before the check of {@link INSTANT}: null for what looks like a time and is none. */
export const toInstant = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && INSTANT.test(value) && !Number.isNaN(Date.parse(value)) ? value : null;
