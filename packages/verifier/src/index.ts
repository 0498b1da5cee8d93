export { AuthError } from './auth-error.js';
export type { ServiceClient, VerifierOptions } from './options.js';
export type { Principal } from './principal.js';
export type { HeadersLike, RequestLike } from './request.js';
export { createVerifier } from './verifier.js';
export type { Verifier } from './verifier.js';
