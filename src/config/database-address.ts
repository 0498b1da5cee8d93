/** The address of a database server. */
export interface DatabaseHost {
  readonly host: string;
  readonly port: number;
}

/** A database URL in a form that node-postgres supports. It supports only one host and no `target_session_attrs`. */
export interface DatabaseAddress {
  /** The URL with the first host. */
  readonly url: string;
  /** All hosts, in order, if there are several. Empty if there is only one. */
  readonly hosts: readonly DatabaseHost[];
  /** `target_session_attrs` in lower case; undefined if it is not given. */
  readonly sessionAttributes: string | undefined;
  readonly sslmode: string | undefined;
}

const DEFAULT_PORT = 5432;

const PARTS = /^(postgres(?:ql)?:)\/\/(?:([^/?#]*)@)?([^@/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i;

const HOST = /^(\[[\da-f:.]+\]|[^:%[\]]+)(?::(\d{1,5}))?$/i;

/** node-postgres treats these modes as `verify-full`, unlike libpq, and warns that this will change. So `verify-full` is set explicitly. */
const TREATED_AS_VERIFY_FULL = ['allow', 'prefer', 'require', 'verify-ca'];

/** Parses a PostgreSQL URL (libpq, "Connection URIs"), also one with several hosts. Undefined: it is not a valid URL. */
export function databaseAddress(text: string): DatabaseAddress | undefined {
  const [, scheme, user, authority = '', path = '', query = ''] = PARTS.exec(text) ?? [];
  if (scheme === undefined || /\s/.test(text)) return undefined;
  const params = new URLSearchParams(query);
  const sessionAttributes = params.get('target_session_attrs')?.toLowerCase();
  const sslmode = params.get('sslmode')?.toLowerCase();
  const hosts = hostsOf(authority, params);
  if (hosts === undefined) return undefined;
  const before = params.toString();
  for (const name of ['target_session_attrs', 'load_balance_hosts']) params.delete(name);
  if (TREATED_AS_VERIFY_FULL.includes(sslmode ?? '') && params.get('uselibpqcompat') !== 'true') {
    params.set('sslmode', 'verify-full');
  }
  for (const name of hosts.length > 0 ? ['host', 'port'] : []) params.delete(name);
  const [first] = hosts;
  const where = first === undefined ? authority : `${urlHost(first.host)}:${first.port}`;
  const rest = params.size > 0 ? `?${params.toString()}` : '';
  const rebuilt = `${scheme}//${user === undefined ? '' : `${user}@`}${where}${path}${rest}`;
  const url = first === undefined && params.toString() === before ? text : rebuilt;
  return URL.canParse(url) ? { url, hosts, sessionAttributes, sslmode } : undefined;
}

/** Empty if there is only one host. Undefined if one of several hosts is not valid. */
function hostsOf(authority: string, params: URLSearchParams): DatabaseHost[] | undefined {
  const named = params.get('host')?.split(',') ?? [];
  const ports = params.get('port')?.split(',') ?? [];
  const inQuery = named.length > 1 || (ports.length > 1 && named.length > 0);
  if (!inQuery && !authority.includes(',')) return [];
  const texts = inQuery
    ? named.map((host) => (host.includes(':') ? `[${host}]` : host))
    : authority.split(',');
  if (ports.length > 1 && ports.length !== texts.length) return undefined;
  const hosts = texts.map((text, index) => {
    const [, host, port] = HOST.exec(text) ?? [];
    const number = Number(port ?? ports[ports.length === 1 ? 0 : index] ?? DEFAULT_PORT);
    if (host === undefined || !(number >= 1 && number <= 65_535)) return undefined;
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: number };
  });
  return hosts.every((host) => host !== undefined) ? hosts : undefined;
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : encodeURIComponent(host);
}
