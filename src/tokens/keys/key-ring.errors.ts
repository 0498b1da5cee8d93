/** Why a node will not start with the keys that it finds. Names no secret. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError';
}
