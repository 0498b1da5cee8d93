/** An event of a stream of server-sent events. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
  /** The position of the stream after this event; undefined if no event has had one yet. */
  readonly id: string | undefined;
}

/** The stream does not follow the protocol. What it said before may be wrong too. */
export class StreamError extends Error {
  override readonly name = 'StreamError';
}

/** Characters of one event: a thousand revocations need about a hundred thousand. */
export const MAX_EVENT = 1_048_576;

/** The longest id that we repeat in `Last-Event-ID`. */
const MAX_ID = 512;

const LINE_END = /\r\n|\n|\r/g;

/**
 * Parses server-sent events (HTML, section 9.2.6) from the chunks of a body. What it holds is bounded: a longer line or event throws a
 * {@link StreamError}, as invalid UTF-8 does. An event without its blank line is dropped.
 */
export class EventParser {
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  /** The beginning of a line whose end has not arrived. */
  private partial = '';
  /** The partial line ended with CR: an LF that follows belongs to it. */
  private skipLineFeed = false;
  private data: string[] = [];
  private size = 0;
  private name = '';
  private id: string | undefined;

  /** The events that this chunk completes. */
  push(chunk: Uint8Array): StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const line of this.linesOf(this.decode(chunk))) {
      if (line === '') this.dispatch(events);
      else this.readLine(line);
    }
    return events;
  }

  private decode(chunk: Uint8Array): string {
    try {
      return this.decoder.decode(chunk, { stream: true });
    } catch (error) {
      throw new StreamError('the stream is not UTF-8', { cause: error });
    }
  }

  private linesOf(decoded: string): string[] {
    const added = this.skipLineFeed && decoded.startsWith('\n') ? decoded.slice(1) : decoded;
    if (decoded !== '') this.skipLineFeed = decoded.endsWith('\r');
    const lines = (this.partial + added).split(LINE_END);
    this.partial = lines.pop()!;
    if (this.partial.length > MAX_EVENT) throw new StreamError('a line of the stream is too long');
    return lines;
  }

  private readLine(line: string): void {
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.name = value;
    else if (field === 'id') this.setId(value);
    else if (field === 'data') this.add(value);
  }

  private setId(value: string): void {
    if (value.length > MAX_ID) throw new StreamError('an id of the stream is too long');
    this.id = value;
  }

  private add(value: string): void {
    this.size += value.length;
    if (this.size > MAX_EVENT) throw new StreamError('an event of the stream is too long');
    this.data.push(value);
  }

  private dispatch(events: StreamEvent[]): void {
    const { name, data, id } = this;
    this.name = '';
    this.data = [];
    this.size = 0;
    if (data.length > 0) events.push({ name: name || 'message', data: data.join('\n'), id });
  }
}
