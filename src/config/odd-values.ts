/** A way in which a value arrives that nobody meant, in words that go after "takes a value". */
type Oddity =
  | 'without quotation marks around it'
  | 'without line breaks'
  | 'without spaces or invisible characters around it'
  | 'and no reference to one, which is not expanded here';

/**
 * What is odd about a value as it arrived: `docker --env-file` keeps quotation marks, files end in line breaks, editors write byte
 * order marks, and nothing here expands `${…}`.
 */
function oddityOf(value: string): Oddity | undefined {
  if (/^\$(?:\{.*\}|\(.*\))$/s.test(value)) return 'and no reference to one, which is not expanded here';
  if (/^(["'`]).*\1$/s.test(value) || /^[“”„‘’«].*[“”‘’»]$/s.test(value))
    return 'without quotation marks around it';
  if (/[\r\n]/.test(value)) return 'without line breaks';
  if (/^[\s\p{Cf}\p{Cc}]|[\s\p{Cf}\p{Cc}]$/u.test(value))
    return 'without spaces or invisible characters around it';
  return undefined;
}

/** Signing secrets. An installation may use odd ones already: if they were refused now, it would lose what they have signed. */
const SIGNING_SECRET = /_SECRET(?:_PREVIOUS)?$/;

/** The fault of a variable that has an odd value, in one line without the value. */
export function faultOf(name: string, value: string): string | undefined {
  const oddity = oddityOf(value);
  if (oddity === undefined || isAllowed(name, oddity)) return undefined;
  return `${name} takes a value ${oddity}`;
}

function isAllowed(name: string, oddity: Oddity): boolean {
  if (oddity === 'and no reference to one, which is not expanded here') return false;
  // A password may begin or end with a space: its owner can type that.
  return SIGNING_SECRET.test(name) || (name === 'ADMIN_PASSWORD' && oddity.startsWith('without spaces'));
}

/** The warning about an odd value that is allowed, in one line without the value. */
export function warningOf(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const oddity = oddityOf(value);
  if (oddity !== undefined && isAllowed(name, oddity))
    return `${name} should be a value ${oddity}: here they are part of it`;
  return /^["'`]|["'`]$/.test(value)
    ? `${name} begins or ends with a quotation mark, which is part of the value here`
    : undefined;
}
