import { randomUUID } from 'node:crypto';

/** What Tandem puts into the `jti` of an access token. */
export interface JtiContent {
  /** Of the refresh token that it was minted with. */
  readonly generation: number;
  /** The user's epoch at that time: a revocation of the user names the first epoch that still counts. */
  readonly epoch: number;
}

const VERSION_8_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * A version 8 UUID (RFC 9562, section 5.8): 32 bits of generation, 58 random bits, 32 bits of epoch. Unique among the
 * tokens of a login for all that matters; nothing rests on its being unguessable.
 */
export function makeJti({ generation, epoch }: JtiContent): string {
  // Of a random UUID, whose variant is the same: Node makes many from one call for random bytes.
  const random = randomUUID();
  return `${hex(generation)}${random.slice(8, 14)}8${random.slice(15, 28)}${hex(epoch)}`;
}

/** Eight digits. */
function hex(value: number): string {
  if (value < 0 || value > 0xffff_ffff) throw new RangeError(`${value} has no place in a jti`);
  return value.toString(16).padStart(8, '0');
}

/** Undefined for anything that {@link makeJti} does not write. */
export function readJti(jti: string): JtiContent | undefined {
  if (!VERSION_8_UUID.test(jti)) return undefined;
  return { generation: parseInt(jti.slice(0, 8), 16), epoch: parseInt(jti.slice(28), 16) };
}
