import type { RevocationEntry } from '../feed/revocation-list.js';

/** Revocations in one event. */
export const MAX_REVOCATIONS = 1_000;

/** One server-sent event. `data` is JSON in ASCII, so it has no line breaks. `id`: the position of the stream after it. */
export function eventFrame(event: string, data: string, id?: string): Buffer {
  return Buffer.from(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`, 'latin1');
}

/** The events `revoked` for these revocations, with at most {@link MAX_REVOCATIONS} in each. `id`: a position that was reached before. */
export function revokedFrames(revocations: readonly string[], id?: string): Buffer[] {
  const frames: Buffer[] = [];
  for (let first = 0; first < revocations.length; first += MAX_REVOCATIONS) {
    const some = revocations.slice(first, first + MAX_REVOCATIONS);
    frames.push(eventFrame('revoked', `{"revocations":[${some.join(',')}]}`, id));
  }
  return frames;
}

/** A revocation of a family or a user as JSON. The subject is a UUID. */
export function revocationJson({ kind, subject, epoch, expires }: RevocationEntry): string {
  const exp = secondsOf(expires);
  return kind === 'sid'
    ? `{"sid":"${subject}","exp":${exp}}`
    : `{"sub":"${subject}","epoch":${epoch ?? 0},"exp":${exp}}`;
}

/** A revocation of a key as JSON. */
export function keyRevocationJson({
  kid,
  expires,
}: {
  readonly kid: string;
  readonly expires: number;
}): string {
  return JSON.stringify({ kid, exp: secondsOf(expires) });
}

/** Rounded up: a consumer must not forget a revocation early. */
function secondsOf(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}
