import { refuse } from './common.errors.js';

/** Opaque to clients: where the next page begins. */
export function makeCursor(key: string): string {
  return Buffer.from(key, 'utf8').toString('base64url');
}

/** Throws 400 `validation_failed` for what {@link makeCursor} does not write. */
export function readCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (key === '' || key.includes('\0') || makeCursor(key) !== cursor) refuseCursor();
  return key;
}

/** Throws 400 `validation_failed`: what the cursor says is no place in this list. */
export function refuseCursor(): never {
  throw refuse('validation_failed', {
    errors: [{ field: 'cursor', message: 'cursor must be a next_cursor' }],
  });
}
