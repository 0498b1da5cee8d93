import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, expectedOf } from './hostile-requests.js';
import type { Expected, HostileRequest } from './hostile-requests.js';

/** A request as the source of a proxy that cannot run here reads it. */
interface Parsed {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

function parse(request: HostileRequest, credential: string): Parsed {
  const [line = '', ...lines] = bytesOf(request, credential).split('\r\n\r\n')[0]!.split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const path = target.replace(/^http:\/\/[^/]*/, '');
  const headers = lines.map((each) => {
    const colon = each.indexOf(':');
    return [each.slice(0, colon).trim(), each.slice(colon + 1).trim()] as const;
  });
  return { method, path, headers };
}

function toBytes(method: string, target: string, headers: readonly (readonly [string, string])[]): string {
  return [`${method} ${target} HTTP/1.1`, ...headers.map((pair) => pair.join(': ')), '', ''].join('\r\n');
}

/** Not sent to the authentication server (`hopHeaders` in pkg/middlewares/auth/forward.go). */
const HOP_HEADERS = [
  'connection',
  'keep-alive',
  'te',
  'trailers',
  'transfer-encoding',
  'upgrade',
  'proxy-connection',
];

/**
 * What Traefik asks Tandem with examples/proxies/traefik-routes.yaml. Sources: github.com/traefik/traefik,
 * pkg/middlewares/forwardedheaders/forwarded_header.go (deletes X-Forwarded headers and their spellings with "_", and what Connection
 * names) and pkg/middlewares/auth/forward.go (GET, all other headers, then X-Forwarded-Method); the page
 * https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/ lists the headers it sets.
 */
export function traefikQuestion(request: HostileRequest, credential: string): string {
  const { method, path, headers } = parse(request, credential);
  const nominated = headers
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(/ *, */));
  const kept = headers.filter(([name]) => {
    const lower = name.toLowerCase();
    // aliasHeadersStrategy and the middleware delete-identity of the example, and the forwarded headers of strangers.
    if (/[^a-z0-9-]/.test(lower) || /^x-(?:auth|forwarded)-/.test(lower) || lower === 'x-original-method')
      return false;
    return ![...HOP_HEADERS, ...nominated, 'content-length', 'host'].includes(lower);
  });
  const added = [
    ['Host', '127.0.0.1:5000'],
    ['X-Forwarded-Method', method],
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Host', 'shop.example'],
    ['X-Forwarded-Uri', path],
    ['X-Forwarded-For', '203.0.113.7'],
  ] as const;
  return toBytes('GET', '/auth/verify', [...added, ...kept]);
}

/**
 * What Envoy asks Tandem with examples/proxies/envoy.yaml (`allowed`: its allowed_headers). Sources: github.com/envoyproxy/envoy,
 * api/envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto (method, path, Host, Content-Length: 0 and Authorization are always
 * sent) and source/extensions/filters/common/ext_authz/ext_authz_http_impl.cc (path_prefix before the path).
 */
export function envoyQuestion(
  request: HostileRequest,
  credential: string,
  allowed = envoyAllowedHeaders(),
): string {
  const { method, path, headers } = parse(request, credential);
  const sent = [...allowed, 'host', 'authorization'];
  const own = ['x-forwarded-method', 'x-original-method'];
  const kept = headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return sent.includes(lower) && !own.includes(lower);
  });
  // The filter header_mutation of the example.
  const added = own.map((name) => [name, method] as const);
  return toBytes(method, `/auth/verify${path}`, [...kept, ...added, ['Content-Length', '0']]);
}

/** The headers that Envoy sends besides its own, as the example lists them. */
function envoyAllowedHeaders(): string[] {
  const file = join(import.meta.dirname, '..', '..', '..', 'examples', 'proxies', 'envoy.yaml');
  const [, list = ''] = /allowed_headers:\n\s+patterns:\n((?:\s+- exact: .*\n)+)/.exec(
    readFileSync(file, 'utf8'),
  )!;
  return [...list.matchAll(/exact: (\S+)/g)].map(([, name]) => name!);
}

/**
 * What Tandem says when Traefik or Envoy asks about the request: `known`, or the code of its refusal. Undefined if these proxies answer
 * themselves, or let the product answer. Both decide as Caddy does.
 */
export function expectedAnswer(expected: Expected, line = 'GET'): string | undefined {
  const [status, what] = expectedOf(expected, 'Caddy')!.split(' ');
  if (line.endsWith('1.0') || what === 'anonymous') return undefined;
  return what === undefined && status !== '401' ? undefined : what;
}
