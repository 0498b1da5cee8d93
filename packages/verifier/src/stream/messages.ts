import { isId, isTime } from '../token.js';
import { StreamError } from './event-parser.js';
import type { StreamEvent } from './event-parser.js';
import type { Revocation } from './revocation-set.js';

/** A revocation of a key. Its tokens are refused from then on. */
export interface KeyRevocation {
  readonly kid: string;
}

/** What an event of the stream says. */
export type Message =
  | { readonly kind: 'hello'; readonly now: number }
  | { readonly kind: 'revoked'; readonly revocations: readonly (Revocation | KeyRevocation)[] }
  | { readonly kind: 'keys'; readonly version: number; readonly keys: readonly string[] }
  | { readonly kind: 'fresh'; readonly asOf: number; readonly dbTime: number };

/** Revocations in one event. */
const MAX_REVOCATIONS = 1_000;

/** Keys in one event: far more than a service has. */
const MAX_KEYS = 1_000;

const MAX_KID_LENGTH = 256;

const MAX_EPOCH = 0xffff_ffff;

/** A database time in seconds is below this, one in milliseconds above. */
const LEAST_MILLISECONDS = 1e11;

/**
 * Parses an event; undefined for one that this release does not know. Throws a {@link StreamError} if the event is not what its name says.
 */
export function readMessage({ name, data }: StreamEvent): Message | undefined {
  const read = READERS.get(name);
  return read?.(fieldsOf(data));
}

type Fields = Readonly<Record<string, unknown>>;

const READERS: ReadonlyMap<string, (fields: Fields) => Message> = new Map<
  string,
  (fields: Fields) => Message
>([
  ['hello', ({ now }) => ({ kind: 'hello', now: requireNumber('now', now) })],
  [
    'revoked',
    ({ revocations }) => ({
      kind: 'revoked',
      revocations: requireList('revocations', revocations, MAX_REVOCATIONS).map(revocationOf),
    }),
  ],
  [
    'keys',
    ({ version, keys }) => ({
      kind: 'keys',
      version: requireNumber('version', version),
      keys: requireList('keys', keys, MAX_KEYS).map(requireKid),
    }),
  ],
  [
    'fresh',
    ({ as_of, db_time }) => ({
      kind: 'fresh',
      asOf: requireNumber('as_of', as_of),
      dbTime: databaseTime(db_time),
    }),
  ],
]);

function fieldsOf(data: string): Fields {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === 'object' && value !== null) return value as Fields;
  } catch {
    // The same error as for JSON that is no object.
  }
  throw new StreamError('an event of the stream is no JSON object');
}

function revocationOf(value: unknown): Revocation | KeyRevocation {
  const { sid, sub, epoch, kid, exp } = Object(value) as Fields;
  if (typeof exp === 'number' && exp >= 0) {
    if (isId(sid)) return { sid, exp };
    if (isId(sub) && isTime(epoch) && epoch <= MAX_EPOCH + 1) return { sub, epoch, exp };
    if (isKid(kid)) return { kid };
  }
  throw new StreamError('the stream names a revocation that we do not understand');
}

/** Parses the database's time, in seconds since the epoch. */
function databaseTime(value: unknown): number {
  const time = typeof value === 'string' ? Date.parse(value) : requireNumber('db_time', value);
  if (Number.isNaN(time)) throw new StreamError('db_time of the stream is no time');
  return time < LEAST_MILLISECONDS ? time : time / 1000;
}

function requireNumber(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new StreamError(`${name} of the stream is no number`);
}

function requireList(name: string, value: unknown, most: number): readonly unknown[] {
  if (Array.isArray(value) && value.length <= most) return value;
  throw new StreamError(`${name} of the stream is no list of at most ${most}`);
}

function requireKid(value: unknown): string {
  if (isKid(value)) return value;
  throw new StreamError('a kid of the stream is no text');
}

function isKid(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_KID_LENGTH;
}
