// Calls of an administrator.
import { PASSWORD, PORT } from './settings.mjs';

const BASE = `http://127.0.0.1:${PORT}`;

/** A service client with these scopes, as a new login of the administrator creates it. */
export async function makeClient(name, scopes) {
  const login = await post('/auth/login', { username: 'root', password: PASSWORD });
  const client = await post('/admin/clients', { name, scopes }, login.access_token);
  return { id: client.client_id, secret: client.client_secret };
}

async function post(path, body, token) {
  const answer = await fetch(`${BASE}${path}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}
