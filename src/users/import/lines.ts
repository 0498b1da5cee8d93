/** The longest line that is read, in bytes. */
export const MAX_LINE = 65_536;

export interface Line {
  /** The number of the line, from 1. */
  readonly number: number;
  /** The line without its line break; undefined if it is longer than {@link MAX_LINE}. */
  readonly bytes: Buffer | undefined;
  /** The offset in the input after this line, including its line break. */
  readonly offset: number;
}

const NEW_LINE = 0x0a;
const RETURN = 0x0d;

/** The lines of an input of any size. Only one chunk and one line are in memory at a time. */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let rest: Buffer[] = [];
  let length = 0;
  let number = 0;
  let offset = 0;
  const line = (): Line => {
    const bytes = length > MAX_LINE ? undefined : Buffer.concat(rest, length);
    rest = [];
    length = 0;
    number += 1;
    return { number, offset, bytes: bytes?.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes };
  };
  const keep = (piece: Buffer) => {
    length += piece.length;
    offset += piece.length;
    // Only the length of a too long line matters.
    if (length <= MAX_LINE) rest.push(piece);
    else rest = [];
  };
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, start)) {
      keep(chunk.subarray(start, end));
      offset += 1;
      yield line();
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (length > 0) yield line();
}
