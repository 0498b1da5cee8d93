import DataLoader from 'dataloader';

/** Keys of one statement. */
const MOST = 200;

/**
 * Reads rows by key so that what is asked for while the event loop takes in what has arrived is one statement: under load most of what
 * a look-up costs, here and on the server, is the statement. Nothing is remembered: every answer was read after it was asked for.
 *
 * A failed statement fails for all who share it. No key may make it fail by itself.
 */
export function batched<Row>(
  read: (keys: readonly string[]) => Promise<readonly Row[]>,
  keyOf: (row: Row) => string,
): (key: string) => Promise<Row | undefined> {
  const loader = new DataLoader<string, Row | undefined>(
    async (keys) => {
      const rows = new Map((await read(keys)).map((row) => [keyOf(row), row]));
      return keys.map((key) => rows.get(key));
    },
    { cache: false, maxBatchSize: MOST, batchScheduleFn: (send) => setImmediate(send) },
  );
  return (key) => loader.load(key);
}
