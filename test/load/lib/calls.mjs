// Every call of the API, for the measure of growth. Each prepares what the call needs and returns the call, which resolves to its status.
import { mintTokens } from './service.mjs';

/** How many times as many buffers a call may read if there are ten times as many families. */
export const KINDS = { constant: 1.2, list: 2, report: 12 };

const bearerOf = ({ signing, user }) => mintTokens(signing, [user])[0];

/** Sends a request. `as`: `user`, `root` (the administrator), `cookie`, `client` or nobody. */
function request(context, method, path, { as, json, form, client } = {}) {
  const headers = { Connection: 'keep-alive' };
  if (as === 'user') headers.Authorization = `Bearer ${bearerOf(context)}`;
  if (as === 'root') headers.Authorization = `Bearer ${context.root}`;
  if (as === 'cookie') headers.Cookie = `session_id=${context.user.cookie}`;
  if (as === 'client')
    headers.Authorization = `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`;
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  const init = { method, headers };
  if (json !== undefined) init.body = JSON.stringify(json);
  if (form) init.body = new URLSearchParams(form);
  return fetch(`${context.base}${path}`, init);
}

async function statusOf(response) {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

const entries = [];

/** `options`: what `request` takes, or how it is made from the context. */
function add(kind, name, options = {}, path = (text) => text, more = {}) {
  const [method, template] = name.split(' ');
  const call = async (context) => {
    const made = typeof options === 'function' ? await options(context) : options;
    const target = await path(template, context, made);
    return () => statusOf(request(context, method, target, made));
  };
  entries.push([name, { kind, call, ...more }]);
}

const asUser = { as: 'user' };
const asRoot = { as: 'root' };
const refreshToken = ({ user }) => ({ json: { refresh_token: user.refreshToken } });
const id = (text, { user }) => text.replace('{id}', user.sub);

async function newClient(context) {
  const json = { name: `growth-${crypto.randomUUID()}`, scopes: ['introspect', 'revoke', 'revocations'] };
  return (await request(context, 'POST', '/admin/clients', { as: 'root', json })).json();
}

const asClient = (form) => async (context) => ({
  as: 'client',
  client: await newClient(context),
  form: form?.(context),
});

const clientId = async (text, context, { client }) =>
  text.replace('{id}', (client ?? (await newClient(context))).client_id);

const rolloutVersion = async (context) =>
  (await (await request(context, 'GET', '/admin/rollout', asRoot)).json()).version;

add('constant', 'POST /auth/login', ({ user, password }) => ({ json: { username: user.name, password } }));
add('constant', 'POST /auth/refresh', refreshToken);
add('constant', 'POST /auth/logout', refreshToken);
add('constant', 'POST /auth/logout-all', asUser);
add('constant', 'POST /auth/password', ({ password }) => ({
  ...asUser,
  json: { current_password: password, new_password: 'another long enough pass phrase' },
}));
add('list', 'GET /auth/devices', asUser);
add('constant', 'DELETE /auth/devices/{id}', asUser, (text, { user }) => text.replace('{id}', user.sid));
add('constant', 'POST /auth/reauthenticate', ({ password }) => ({ ...asUser, json: { password } }));
add('constant', 'GET /auth/verify', asUser);
add('constant', 'GET /.well-known/jwks.json');
add('list', 'GET /api/users', asUser);
add('constant', 'GET /api/users/me', asUser);
add('list', 'GET /admin/audit', asRoot);
add('report', 'GET /admin/audit/export', asRoot);
add('constant', 'GET /admin/audit/seals', asRoot);
add('list', 'GET /admin/keys', asRoot);
add('constant', 'GET /admin/keys/usage', asRoot);
add('list', 'GET /admin/tokens', asRoot);
add('constant', 'DELETE /admin/tokens/{family_id}', asRoot, (text, { user }) =>
  text.replace('{family_id}', user.sid),
);
add('constant', 'POST /admin/tokens/revoke', ({ user }) => ({ ...asRoot, json: { user_ids: [user.sub] } }));
add('report', 'GET /admin/tokens/count', asRoot);
add('constant', 'GET /admin/tokens/{family_id}', asRoot, (text, { user }) =>
  text.replace('{family_id}', user.sid),
);
add('list', 'GET /admin/users', asRoot);
add('constant', 'GET /admin/users/{id}', asRoot, id);
add('constant', 'POST /admin/users', ({ user }) => ({ ...asRoot, json: { username: `new-${user.name}` } }));
add('constant', 'PATCH /admin/users/{id}', { ...asRoot, json: { role: 'editor' } }, id);
add('constant', 'DELETE /admin/users/{id}', asRoot, id);
add(
  'constant',
  'PUT /admin/users/by-external-id/{external_id}',
  ({ user }) => ({ ...asRoot, json: { username: `upsert-${user.name}` } }),
  (text, { user }) => text.replace('{external_id}', `x-${user.name}`),
);
add('constant', 'POST /admin/users/{id}/revoke', asRoot, id);
add('list', 'GET /admin/clients', asRoot);
add('constant', 'POST /admin/clients', ({ user }) => ({ ...asRoot, json: { name: `client-${user.name}` } }));
add('constant', 'PATCH /admin/clients/{id}', { ...asRoot, json: { scopes: ['introspect'] } }, clientId);
add('constant', 'DELETE /admin/clients/{id}', asRoot, clientId);
add('constant', 'POST /admin/clients/{id}/secret', asRoot, clientId);
add('constant', 'GET /.well-known/oauth-authorization-server');
add(
  'constant',
  'POST /oauth/introspect',
  asClient((context) => ({ token: bearerOf(context) })),
);
add(
  'constant',
  'POST /oauth/revoke',
  asClient(({ user }) => ({ token: user.refreshToken })),
);
add('constant', 'POST /oauth/token', ({ user }) => ({
  form: { grant_type: 'refresh_token', refresh_token: user.refreshToken, client_id: 'growth' },
}));
add('constant', 'GET /oauth/revocations', asClient());
// The client lacks the scope: this node has no callback store.
add(
  'constant',
  'POST /oauth/sessions/ended',
  async (context) => ({ ...(await asClient()(context)), json: { session: 'none' } }),
  undefined,
  { statuses: [403, 404] },
);
add('constant', 'GET /health/live');
add('constant', 'GET /health/ready');
add('report', 'GET /metrics');
add('report', 'GET /admin/rollout/plan', asRoot);
add('constant', 'PUT /admin/rollout/plan', { ...asRoot, json: { enabled: false } });
add('report', 'GET /admin/rollout/report', asRoot);
add('report', 'GET /admin/rollout/comparison', asRoot);
add('report', 'POST /admin/rollout/preview', { ...asRoot, json: { percentage: 50 } });
add('constant', 'GET /admin/rollout', asRoot);
add('constant', 'PATCH /admin/rollout', async (context) => ({
  ...asRoot,
  json: { user_ids: [context.user.sub], version: await rolloutVersion(context) },
}));
add('list', 'GET /admin/rollout/history', asRoot);
add('constant', 'POST /api/login', ({ user, password }) => ({ json: { username: user.name, password } }));
add('constant', 'POST /api/logout', { as: 'cookie' });
add('constant', 'POST /auth/exchange', { as: 'cookie', json: {} });
add('constant', 'POST /auth/downgrade', refreshToken);
add('constant', 'GET /auth/migration', asUser);
add('report', 'POST /admin/deprecation-notices', { ...asRoot, json: { days: 30, dry_run: true } });
add('list', 'GET /admin/deprecation-notices', asRoot);
add('constant', 'GET /transition/banner.js');
add('constant', 'GET /transition/guide');
add('constant', 'GET /transition/developers');
// These change what others need, so they come last.
add('constant', 'POST /admin/rollout/rollback', { ...asRoot, json: { drain: false } }, undefined, {
  once: true,
});
add('constant', 'POST /admin/keys/rotate', asRoot, undefined, {
  once: true,
  statuses: [200, 201, 202, 204, 409],
});
add('constant', 'DELETE /admin/keys/{kid}', asRoot, (text) => text.replace('{kid}', 'unknown'), {
  statuses: [404],
});

export const CALLS = new Map(entries);
