import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventParser, MAX_EVENT, StreamError } from '../../../packages/verifier/src/stream/event-parser.js';
import type { StreamEvent } from '../../../packages/verifier/src/stream/event-parser.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (...chunks: string[]): StreamEvent[] => {
  const parser = new EventParser();
  return chunks.flatMap((chunk) => parser.push(bytes(chunk)));
};

const TEXT = ': comment\nid: a.1\nevent: fresh\ndata: {"a":\ndata:1}\nretry: 5\n\nevent: keys\ndata: ü\n\n';
const EVENTS = [
  { name: 'fresh', data: '{"a":\n1}', id: 'a.1' },
  { name: 'keys', data: 'ü', id: 'a.1' },
];

describe('the parser of server-sent events', () => {
  it.each([
    ['LF', TEXT],
    ['CR LF', TEXT.replaceAll('\n', '\r\n')],
    ['CR', TEXT.replaceAll('\n', '\r')],
  ])('reads events whose lines end with %s, however the bytes are cut', (_, text) => {
    expect(parse(text)).toEqual(EVENTS);
    const all = bytes(text);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: all.length }), { maxLength: 20 }), (cuts) => {
        const parser = new EventParser();
        const places = [0, ...cuts.toSorted((a, b) => a - b), all.length];
        const events = places.slice(1).flatMap((end, i) => parser.push(all.subarray(places[i], end)));
        expect(events).toEqual(EVENTS);
      }),
    );
  });

  it('gives no event before its blank line', () => {
    expect(parse('event: fresh\ndata: 1\n')).toEqual([]);
    expect(parse('event: fresh\ndata: 1\n', '\n')).toHaveLength(1);
  });

  it('skips events without data', () => {
    expect(parse('event: a\n\n\n\nid: 7\n\ndata: x\n\n')).toEqual([{ name: 'message', data: 'x', id: '7' }]);
  });

  it('refuses an endless line, and holds no more than the longest event', () => {
    const parser = new EventParser();
    const chunk = bytes(`data: ${'x'.repeat(65_530)}`);
    const push = () => {
      for (let i = 0; i < 100; i += 1) parser.push(chunk);
    };
    expect(push).toThrow(StreamError);
  });

  it('refuses an endless event of short lines', () => {
    const parser = new EventParser();
    const lines = bytes('data: 0123456789\n'.repeat(10_000));
    const push = () => {
      for (let size = 0; size <= MAX_EVENT + 100_000; size += 100_000) parser.push(lines);
    };
    expect(push).toThrow('too long');
  });

  it('refuses an endless id', () => {
    expect(() => parse(`id: ${'x'.repeat(513)}\n`)).toThrow(StreamError);
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => new EventParser().push(new Uint8Array([0xc0, 0x80]))).toThrow(StreamError);
  });

  it('gives events or a StreamError for arbitrary bytes, and never anything else', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const parser = new EventParser();
        try {
          for (const chunk of chunks) parser.push(chunk);
        } catch (error) {
          expect(error).toBeInstanceOf(StreamError);
        }
      }),
    );
  });
});
