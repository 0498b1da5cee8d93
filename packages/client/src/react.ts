import { useSyncExternalStore } from 'react';
import type { AuthClient } from './client.js';
import type { AuthState } from './login-keeper.js';

/** The state of the client. The component renders again when it changes. On a server it is `unverified`. */
export function useAuthState(client: AuthClient): AuthState {
  return useSyncExternalStore(
    (onChange) => client.on('state', onChange),
    () => client.state,
    () => 'unverified' as const,
  );
}
