const FAILURE = /(?:^|[\s\]])((?:error|ERROR|FATAL|PANIC): .*)/;
const MORE = /(?:^|[\s\]])((?:detail|DETAIL|hint|HINT): .*)/;

/**
 * The first error in what a program of PostgreSQL wrote, on one line: its message, then DETAIL and HINT, which often say what to do.
 * Undefined if it reported none.
 */
export function failureIn(output: string): string | undefined {
  const lines = output.split('\n');
  const first = lines.findIndex((line) => FAILURE.test(line));
  if (first < 0) return undefined;
  const parts = [FAILURE.exec(lines[first]!)![1]!];
  for (const line of lines.slice(first + 1)) {
    // The second line of a message and those after it are indented.
    const part = line.startsWith('\t') ? line : MORE.exec(line)?.[1];
    if (part === undefined) break;
    parts.push(part);
  }
  return parts.map((part) => part.trim().replaceAll(/\s+/g, ' ')).join(' ');
}
