import { refuse } from './common.errors.js';

/** The cursors of one list. Opaque to clients: a cursor says where the next page begins. */
export interface Cursors {
  write(key: string): string;
  /** The parts of the key. Throws 400 `validation_failed` for everything that {@link write} did not write for this list. */
  read(cursor: string): RegExpExecArray;
}

/** `form` is what a key of this list looks like. No two lists have the same name, so none takes the cursors of another. */
export function cursorsOf(list: string, form: RegExp): Cursors {
  const write = (key: string) => Buffer.from(`${list}:${key}`, 'utf8').toString('base64url');
  return {
    write,
    read(cursor) {
      const text = Buffer.from(cursor, 'base64url').toString('utf8');
      const key = text.slice(list.length + 1);
      return (write(key) === cursor && form.exec(key)) || refuseCursor();
    },
  };
}

/** Throws 400 `validation_failed`: what the cursor says is no place in this list. */
export function refuseCursor(): never {
  throw refuse('validation_failed', {
    errors: [{ field: 'cursor', message: 'cursor must be a next_cursor' }],
  });
}
