import { closeSync, openSync, readSync } from 'node:fs';

/** The maximum size of a settings file. A larger one is a mistake, and some files, such as /dev/zero, never end. */
const MAX_BYTES = 64 * 1024;

/** The text of a file, or an error text to put after "must be". */
export type FileText =
  | { readonly text: string; readonly fault?: undefined }
  | { readonly fault: string; readonly code: string | undefined; readonly cause?: unknown };

/** Reads a settings file in UTF-8, with or without a byte order mark. Any other encoding is an error. */
export function readText(path: string): FileText {
  let bytes: Buffer;
  try {
    bytes = readBytes(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    return { fault: `a readable file (${code ?? String(cause)})`, code, cause };
  }
  if (bytes.length > MAX_BYTES) return { fault: `a file of at most ${MAX_BYTES} bytes`, code: undefined };
  if (isUtf16(bytes)) return { fault: 'a file in UTF-8, not in UTF-16', code: undefined };
  if (bytes.includes(0)) return { fault: 'a text file without zero bytes', code: undefined };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { fault: 'a file in UTF-8', code: undefined };
  }
}

function readBytes(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < buffer.length; length += read)
      read = readSync(file, buffer, length, buffer.length - length, null);
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** Detects UTF-16 by its byte order mark, or by many zero bytes: in UTF-16 every ASCII character contains one. */
function isUtf16(bytes: Buffer): boolean {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  return bytes.filter((byte) => byte === 0).length > bytes.length / 4;
}
