import type { ProxyName } from './proxy-process.js';

/** What the client gets and what the product sees, as in `ProtectedProduct.outcome`; by proxy where they differ. */
export type Expected = string | Partial<Record<ProxyName, string>>;

export interface HostileRequest {
  readonly name: string;
  /** The request line. Default: `GET /orders/1 HTTP/1.1`. */
  readonly line?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  /** Default: one Host header. */
  readonly host?: readonly string[];
  /** With a valid token. */
  readonly bearer: Expected;
  /** With a valid session cookie. Default: as with a token. */
  readonly session?: Expected;
}

const HOST = 'shop.example';

/** What a browser adds to a request of another site. */
const OTHER_SITE = ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site'];

const REFUSED = '403 cross_site_request';

const WEBSOCKET = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];

const IDENTITY = ['X-Auth-User-Id', 'X-Auth-External-Id', 'X-Auth-Role', 'X-Auth-Scheme'];

export const HOSTILE_REQUESTS: readonly HostileRequest[] = [
  {
    name: 'claims another identity',
    headers: IDENTITY.map((name) => `${name}: admin`),
    bearer: '200 known',
  },
  {
    name: 'claims another identity in every spelling',
    headers: [
      'X_Auth_Role: admin',
      'X-Auth_Role: admin',
      'x_auth-role: admin',
      'X_AUTH_USER_ID: 1',
      'X_Auth-User_Id: 1',
      'X-AUTH-SCHEME: x',
      'X_Auth_External_Id: 1',
      'X-Auth-Is-Admin: 1',
    ],
    bearer: '200 known',
  },
  {
    name: 'claims another identity with other characters for the hyphens',
    headers: ". ~ ! # $ % & ' + ^ ` | *"
      .split(' ')
      .flatMap((character) => [`X${character}Auth${character}Role: admin`, `X-Auth${character}User-Id: 1`]),
    bearer: '200 known',
  },
  { name: 'claims two roles', headers: ['X-Auth-Role: user', 'X-Auth-Role: admin'], bearer: '200 known' },
  {
    name: 'names the identity as a header of the connection',
    headers: ['X-Auth-Role: admin', `Connection: ${IDENTITY.join(', ')}`],
    bearer: '200 known',
  },
  {
    name: 'names the identity as a header of the connection of a WebSocket',
    headers: [...WEBSOCKET.slice(1), `Connection: Upgrade, ${IDENTITY.join(', ')}`],
    bearer: '101 known',
  },
  {
    name: 'names the headers of the cross-site check as headers of the connection',
    line: 'POST /orders/1 HTTP/1.1',
    headers: [...OTHER_SITE, 'Connection: Origin, Sec-Fetch-Site, X-Forwarded-Method', 'Content-Length: 0'],
    bearer: '200 known',
    session: REFUSED,
  },
  { name: 'leaves a public folder', line: 'GET /public/../orders/1 HTTP/1.1', bearer: '400' },
  { name: 'enters a public folder', line: 'GET /orders/../public/1 HTTP/1.1', bearer: '400' },
  {
    name: 'leaves a public folder with encoded dots',
    line: 'GET /public/%2e%2E/orders HTTP/1.1',
    bearer: '400',
  },
  {
    name: 'leaves a public folder with encoded slashes',
    line: 'GET /public/..%2forders HTTP/1.1',
    bearer: '400',
  },
  {
    name: 'leaves a public folder with dots encoded twice',
    line: 'GET /public/%252e./orders HTTP/1.1',
    bearer: '400',
  },
  {
    name: 'leaves a public folder with a path parameter',
    line: 'GET /public/..;a/orders HTTP/1.1',
    bearer: '400',
  },
  { name: 'leaves a public folder with a backslash', line: 'GET /public/..\\orders HTTP/1.1', bearer: '400' },
  { name: 'starts with two slashes', line: 'GET //orders/1 HTTP/1.1', bearer: '400' },
  { name: 'asks for an operator’s page', line: 'GET /admin/users HTTP/1.1', bearer: '404' },
  { name: 'asks for an operator’s page in capitals', line: 'GET /METRICS HTTP/1.1', bearer: '404' },
  {
    name: 'asks for an operator’s page with an encoded letter',
    line: 'GET /%61dmin/users HTTP/1.1',
    bearer: '404',
  },
  {
    name: 'asks for an operator’s page in absolute form',
    line: `GET http://${HOST}/docs HTTP/1.1`,
    bearer: '404',
  },
  { name: 'has the absolute form', line: `GET http://${HOST}/orders/1 HTTP/1.1`, bearer: '200 known' },
  { name: 'opens a WebSocket', headers: WEBSOCKET, bearer: '101 known' },
  {
    name: 'opens a WebSocket for another site',
    headers: [...WEBSOCKET, ...OTHER_SITE],
    bearer: '101 known',
    session: REFUSED,
  },
  {
    name: 'posts for another site',
    line: 'POST /orders/1 HTTP/1.1',
    headers: [...OTHER_SITE, 'Content-Length: 3'],
    body: 'a=1',
    bearer: '200 known',
    session: REFUSED,
  },
  {
    name: 'posts for another site and calls it GET',
    line: 'POST /orders/1 HTTP/1.1',
    headers: [
      ...OTHER_SITE,
      'X-Forwarded-Method: GET',
      'X-Original-Method: GET',
      'X_Forwarded_Method: GET',
      'Content-Length: 0',
    ],
    bearer: '200 known',
    session: REFUSED,
  },
  {
    name: 'overrides its method for another site',
    headers: [...OTHER_SITE, 'X-HTTP-Method-Override: DELETE'],
    bearer: '200 known',
    session: REFUSED,
  },
  {
    name: 'has an unknown method for another site',
    line: 'get /orders/1 HTTP/1.1',
    headers: OTHER_SITE,
    bearer: '400',
    session: { nginx: '400', Caddy: REFUSED, HAProxy: REFUSED },
  },
  {
    name: 'is a preflight with an identity',
    line: 'OPTIONS /orders/1 HTTP/1.1',
    headers: [...OTHER_SITE, 'Access-Control-Request-Method: PUT', 'X-Auth-Role: admin', 'X_Auth_User_Id: 1'],
    bearer: '200 anonymous',
  },
  {
    name: 'is a preflight that overrides its method',
    line: 'OPTIONS /orders/1 HTTP/1.1',
    headers: [...OTHER_SITE, 'Access-Control-Request-Method: PUT', 'X-HTTP-Method-Override: DELETE'],
    bearer: '200 known',
    session: REFUSED,
  },
  {
    name: 'asks for a public page with an identity',
    line: 'GET /login HTTP/1.1',
    headers: ['X-Auth-Role: admin'],
    bearer: '200 anonymous',
  },
  {
    name: 'has a second token',
    headers: ['Authorization: Bearer forged'],
    bearer: { nginx: '400', Caddy: '200 known', HAProxy: '200 known' },
    session: '401 token_malformed',
  },
  {
    name: 'is HTTP/1.0 without a host',
    line: 'GET /orders/1 HTTP/1.0',
    host: [],
    bearer: { nginx: '400', Caddy: '200 known', HAProxy: '200 known' },
  },
  { name: 'has two hosts', host: ['Host: shop.example', 'Host: evil.example'], bearer: '400' },
  {
    name: 'has a chunked body',
    line: 'POST /orders/1 HTTP/1.1',
    headers: ['Transfer-Encoding: chunked', 'Sec-Fetch-Site: same-origin'],
    body: '3\r\na=1\r\n0\r\n\r\n',
    bearer: '200 known',
  },
  {
    name: 'has a length and chunks',
    line: 'POST /orders/1 HTTP/1.1',
    headers: ['Content-Length: 5', 'Transfer-Encoding: chunked', 'Sec-Fetch-Site: same-origin'],
    body: '0\r\n\r\nGET /admin/users HTTP/1.1\r\nHost: x\r\n\r\n',
    bearer: { nginx: '400', Caddy: '200 known', HAProxy: '200 known' },
  },
  {
    name: 'has a space before a colon',
    line: 'POST /orders/1 HTTP/1.1',
    headers: ['Transfer-Encoding : chunked', 'Content-Length: 5'],
    body: '0\r\n\r\n',
    bearer: '400',
  },
  { name: 'has a header of 12 KiB', headers: [`X-Large: ${'x'.repeat(12_288)}`], bearer: '200 known' },
  {
    name: 'has headers of 30 KiB',
    headers: ['A', 'B', 'C'].map((name) => `${name}: ${'x'.repeat(10_000)}`),
    bearer: { nginx: '431', Caddy: '431', HAProxy: '400' },
  },
];

/** Every character of an external id, and as many as a role name may have. */
export const ODD_NAMES = {
  externalId: 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~@:|+=-',
  role: 'z0123456789_-abcdefghijklmnopqrs',
} as const;

/** The request with a credential, as it goes over the connection. */
export function bytesOf(
  { line = 'GET /orders/1 HTTP/1.1', headers = [], body = '', host = [`Host: ${HOST}`] }: HostileRequest,
  credential: string,
): string {
  return [line, ...host, credential, ...headers, '', body].join('\r\n');
}

/** What is expected with this proxy. */
export function expectedOf(expected: Expected, proxy: ProxyName): string | undefined {
  return typeof expected === 'string' ? expected : expected[proxy];
}
