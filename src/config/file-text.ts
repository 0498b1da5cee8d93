import { closeSync, openSync, readSync } from 'node:fs';

/** Bytes of a file with settings: more is a mistake, and some files never end. */
const LONGEST = 64 * 1024;

/** The text of a file, or what is wrong with it in words that go after "takes". */
export type FileText =
  | { readonly text: string; readonly fault?: undefined }
  | { readonly fault: string; readonly code: string | undefined; readonly cause?: unknown };

/** Reads a file of settings in UTF-8, with or without a byte order mark. Other encodings are named, never guessed. */
export function readText(path: string): FileText {
  let bytes: Buffer;
  try {
    bytes = readBytes(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    return { fault: `a readable file (${code ?? String(cause)})`, code, cause };
  }
  if (bytes.length > LONGEST) return { fault: `a file of at most ${LONGEST} bytes`, code: undefined };
  if (isUtf16(bytes)) return { fault: 'text in UTF-8, and this is UTF-16', code: undefined };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { fault: 'text in UTF-8', code: undefined };
  }
}

function readBytes(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(LONGEST + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < buffer.length; length += read)
      read = readSync(file, buffer, length, buffer.length - length, null);
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** By its byte order mark, or by the zero bytes that ASCII has in it. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second] = bytes;
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || bytes.includes(0);
}
