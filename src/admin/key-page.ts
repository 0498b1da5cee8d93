import { cursorsOf } from '../common/pagination.js';
import type { KeyView } from '../tokens/keys/key-administration.service.js';

/** `time kid`: where a page ended. */
const CURSORS = cursorsOf('keys', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Za-z0-9_-]{43}$/);

export interface KeyPage {
  readonly keys: KeyView[];
  readonly next_cursor: string | null;
}

/** The keys made last first, a page of them. Throws 400 for a cursor that is none. */
export function keyPage(ring: readonly KeyView[], limit: number, cursor: string | undefined): KeyPage {
  const position = cursor === undefined ? undefined : CURSORS.read(cursor)[0];
  const rest = ring
    .filter((key) => position === undefined || positionOf(key) < position)
    .toSorted((a, b) => (positionOf(a) < positionOf(b) ? 1 : -1));
  const keys = rest.slice(0, limit);
  const last = rest.length > limit ? keys.at(-1) : undefined;
  return { keys, next_cursor: last === undefined ? null : CURSORS.write(positionOf(last)) };
}

/** Texts of one length and form: they sort like what they say. */
function positionOf({ created_at, kid }: KeyView): string {
  return `${created_at} ${kid}`;
}
