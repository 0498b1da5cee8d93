import { cookieFor } from '../../e2e/transition/session-client.js';
import type { HostileRequest } from '../../helpers/proxies/hostile-requests.js';

/** A request that is hostile because of its session. `session`: the outcome, as in `ProtectedProduct.outcome`. */
export interface HostileSession extends HostileRequest {
  readonly session: string;
  /** The header with the credential. `own`: the id of the caller's session. Default: its cookie. */
  readonly credential?: (own: string, another: string) => string;
}

const POST = { line: 'POST /orders/1 HTTP/1.1', bearer: '' };
const GET = { bearer: '' };

const REFUSED = '403 cross_site_request';

export const HOSTILE_SESSIONS: readonly HostileSession[] = [
  {
    ...GET,
    name: 'has a cookie beside its own that nobody signed',
    headers: ['Cookie: session_id=s%3Aanother.forged'],
    session: '200 known',
  },
  {
    ...GET,
    name: 'has the sessions of two users in two headers',
    credential: (own, another) => `Cookie: ${cookieFor(own)}\r\nCookie: ${cookieFor(another)}`,
    session: '401 session_invalid',
  },
  {
    ...GET,
    name: 'has the sessions of two users in one header',
    credential: (own, another) => `Cookie: ${cookieFor(another)}; ${cookieFor(own)}`,
    session: '401 session_invalid',
  },
  {
    ...GET,
    name: 'has a session with the signature of another',
    credential: (own, another) =>
      `Cookie: ${cookieFor(own).split('.')[0]}.${cookieFor(another).split('.')[1]}`,
    session: '401 session_invalid',
  },
  {
    ...GET,
    name: 'has a session that is signed with another secret',
    credential: (own) => `Cookie: ${cookieFor(own, 'another secret')}`,
    session: '401 session_invalid',
  },
  {
    ...GET,
    name: 'has a cookie whose name is in capitals',
    credential: (own) => `Cookie: ${cookieFor(own).replace('session_id', 'SESSION_ID')}`,
    session: '401 token_missing',
  },
  {
    ...GET,
    name: 'has no cookie, but the id of the session in another header',
    credential: (own) => `X-Auth-Session: ${own}`,
    session: '401 token_missing',
  },
  {
    ...GET,
    name: 'names its cookie as a header of the connection',
    headers: ['Connection: close, Cookie'],
    session: '200 known',
  },
  {
    ...GET,
    name: 'names the method as a header of the connection',
    line: 'DELETE /orders/1 HTTP/1.1',
    headers: ['Sec-Fetch-Site: cross-site', 'Connection: X-Forwarded-Method, X-Original-Method'],
    session: REFUSED,
  },
  {
    ...POST,
    name: 'posts from a sandboxed page',
    headers: ['Origin: null', 'Content-Length: 0'],
    session: REFUSED,
  },
  {
    ...POST,
    name: 'posts from another origin of the same site',
    headers: ['Sec-Fetch-Site: same-site', 'Content-Length: 0'],
    session: REFUSED,
  },
  {
    ...POST,
    name: 'posts with two origins',
    headers: ['Origin: http://shop.example', 'Origin: https://evil.example', 'Content-Length: 0'],
    session: REFUSED,
  },
  {
    ...POST,
    name: 'posts with two values of Sec-Fetch-Site',
    headers: ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site', 'Content-Length: 0'],
    session: REFUSED,
  },
  {
    ...POST,
    name: 'posts to a host that it names itself',
    headers: ['Origin: https://evil.example', 'X-Forwarded-Host: evil.example', 'Content-Length: 0'],
    session: REFUSED,
  },
  {
    ...GET,
    name: 'posts a preflight that is none',
    line: 'OPTIONS /orders/1 HTTP/1.1',
    headers: ['Sec-Fetch-Site: cross-site', 'Upgrade: websocket', 'Access-Control-Request-Method: PUT'],
    session: REFUSED,
  },
  {
    ...GET,
    name: 'opens a WebSocket from the product’s own page',
    headers: [
      'Origin: http://shop.example',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ],
    session: '101 known',
  },
];
