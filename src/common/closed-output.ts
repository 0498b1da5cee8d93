/** True if the reader of an output has closed it, as `head` does when it has seen enough. */
export function isClosedOutput(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'EPIPE';
}

/**
 * For a program that prints results: calls `end` when stdout cannot be written to any more, with 0 if its reader closed it
 * and else with 1, after saying why. Nothing is said about a closed stderr: nobody would read it.
 */
export function endWithOutput(end: (code: number) => unknown): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: Error) => {
    if (isClosedOutput(error)) return void end(0);
    process.stderr.write(`The output cannot be written: ${error.message}\n`);
    return void end(1);
  });
}
