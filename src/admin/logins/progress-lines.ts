import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';

/** JSON lines: one object per line. */
export const JSON_LINES = 'application/x-ndjson';

/**
 * Starts the work and returns a stream of its progress as JSON lines: the objects that it reports, and then its result. If it fails after
 * its first report, the last line is `failed(error)`. Rejects if it fails before. The work continues if nobody reads the stream.
 */
export async function progressLines(
  work: (report: (line: object) => void) => Promise<object>,
  failed: (error: unknown) => object,
): Promise<Readable> {
  const stream = new PassThrough();
  // A reader that has gone away must not stop the work.
  stream.on('error', () => undefined);
  const write = (line: object) => void (stream.destroyed || stream.write(`${JSON.stringify(line)}\n`));
  await new Promise<void>((started, rejected) => {
    let hasStarted = false;
    const report = (line: object) => {
      hasStarted = true;
      write(line);
      started();
    };
    work(report)
      .then(report, (error: unknown) => (hasStarted ? write(failed(error)) : rejected(error as Error)))
      .finally(() => stream.end());
  });
  return stream;
}
