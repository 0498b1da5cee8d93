export { AuthError } from './auth-error.js';
export type { TokenStorage } from './storage.js';
