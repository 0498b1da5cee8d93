import DataLoader from 'dataloader';

/** Requests per statement. */
const MAX_BATCH = 200;

/**
 * Combines the requests of one turn of the event loop into one statement, because under load the statement itself is most of the cost of
 * a look-up or a small write. Nothing is cached: the statement runs after the request. `by`: the key that a request and its row share.
 *
 * If the statement fails, it fails for all requests that share it. So no single request may make it fail or wait.
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
    { cache: false, maxBatchSize: MAX_BATCH, batchScheduleFn: (send) => setImmediate(send) },
  );
  return (request) => loader.load(request);
}
