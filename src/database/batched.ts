import DataLoader from 'dataloader';

/** Requests of one statement. */
const MOST = 200;

/**
 * Runs a statement for many rows, so that what is asked for while the event loop takes in what has arrived is one: under load most of
 * what a look-up or a small write costs, here and on the server, is the statement. Nothing is remembered: every answer was made
 * after it was asked for. `by`: the key that a request and its row share.
 *
 * A failed statement fails for all who share it. No request may make it fail by itself, or wait.
 */
export function batched<Request, Row>(
  run: (requests: readonly Request[]) => Promise<readonly Row[]>,
  by: { readonly request: (request: Request) => string; readonly row: (row: Row) => string },
): (request: Request) => Promise<Row | undefined> {
  const loader = new DataLoader<Request, Row | undefined>(
    async (requests) => {
      const rows = new Map((await run(requests)).map((row) => [by.row(row), row]));
      return requests.map((request) => rows.get(by.request(request)));
    },
    { cache: false, maxBatchSize: MOST, batchScheduleFn: (send) => setImmediate(send) },
  );
  return (request) => loader.load(request);
}
