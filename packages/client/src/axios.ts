import { getAdapter } from 'axios';
import type { AxiosAdapter } from 'axios';
import type { AuthClient } from './client.js';

/** Makes axios send its requests through the client's `fetch`: `axios.create({ adapter: authAdapter(client) })`. Needs axios 1.12. */
export function authAdapter(client: AuthClient): AxiosAdapter {
  return (config) => {
    // Without `Request`, the client receives the body as it is and can repeat it.
    const env = { ...config.env, fetch: client.fetch, Request: null, Response: null };
    return getAdapter('fetch', { ...config, env } as unknown as typeof config)(config);
  };
}
