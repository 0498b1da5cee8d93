import { forbidden } from './auth-error.js';
import type { Principal } from './principal.js';
import type { HeadersLike, RequestLike } from './request.js';
import type { Verifier } from './verifier.js';

/** The principal of a request, if it has one of `roles`; undefined: any role. Rejects with an `AuthError`. */
export async function authenticate(
  verifier: Pick<Verifier, 'verify'>,
  request: HeadersLike | RequestLike,
  roles: readonly string[] | undefined,
): Promise<Principal> {
  const principal = await verifier.verify(request);
  if (roles !== undefined && !roles.includes(principal.role)) throw forbidden();
  return principal;
}
