export { AuthError } from './auth-error.js';
export { createAuthClient } from './client.js';
export type { AuthClient, AuthClientOptions } from './client.js';
export type { AuthState } from './login-keeper.js';
export type { TokenStorage } from './storage.js';
