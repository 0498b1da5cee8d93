import { isIP, isIPv6 } from 'node:net';
import type { Config } from '../config/config.js';

/** The part of a request that holds its address. Fastify's `ip` is the address that `trustProxy` resolved. */
export interface AddressedRequest {
  readonly ip: string | undefined;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Some proxies append the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/;

/** The address in `text` without port and zone id; undefined if `text` is not an address. */
function addressIn(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const match = WITH_PORT.exec(text);
  const address = (match?.[1] ?? match?.[2] ?? text).replace(/%.*$/s, '');
  return isIP(address) === 0 ? undefined : address;
}

/** The eight groups of an IPv6 address without zone id. */
function groupsOf(address: string): number[] {
  // The URL parser normalises every spelling, dotted quads included (RFC 5952).
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** The IPv4 address in an IPv4-mapped IPv6 address (`::ffff:…`). */
function mapped(groups: readonly number[]): string | undefined {
  const [a = 0, b = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? [a >> 8, a & 255, b >> 8, b & 255].join('.') : undefined;
}

/** The IPv4 address in an IPv6 address of a translator (RFC 6052, `64:ff9b::/96`). */
function translated(groups: readonly number[]): string | undefined {
  const [a = 0, b = 0] = groups.slice(6);
  const isTranslated = groups.slice(0, 6).join() === '100,65435,0,0,0,0';
  return isTranslated ? [a >> 8, a & 255, b >> 8, b & 255].join('.') : undefined;
}

/**
 * The subject that an address counts for: an IPv4 address (even if it is IPv4-mapped or translated) for itself, any other IPv6 address
 * for its /64, which is the least that one customer gets.
 */
export function subjectOf(address: string): string {
  return networksOf(address)[0].subject;
}

/** A network that a client's calls count for. Its limit is `times` the limit of a client. */
export interface ClientNetwork {
  readonly subject: string;
  readonly times: number;
}

/** Wider networks have their own limits: the owner of a /56 or a /48 must not have 256 or 65,536 limits. */
const WIDER = [
  { bits: 56, times: 4 },
  { bits: 48, times: 16 },
];

/**
 * The networks that calls of `client` count for, the narrowest first. An IPv6 address counts for its /64, /56 and /48. Any
 * other text counts for itself: an IPv4 address, or a /64 that {@link subjectOf} returned.
 */
export function networksOf(client: string): [ClientNetwork, ...ClientNetwork[]] {
  if (!isIPv6(client)) return [{ subject: client, times: 1 }];
  const groups = groupsOf(client);
  const ipv4 = mapped(groups) ?? translated(groups);
  if (ipv4 !== undefined) return [{ subject: ipv4, times: 1 }];
  const wider = WIDER.map(({ bits, times }) => ({ subject: networkOf(groups, bits), times }));
  return [{ subject: networkOf(groups, 64), times: 1 }, ...wider];
}

/** `subject`, which {@link networksOf} returned, and the wider networks that its calls count for. */
export function networksAround(subject: string): string[] {
  const [address = '', bits] = subject.split('/');
  if (bits === undefined) return [subject];
  const networks = networksOf(address).map((network) => network.subject);
  const narrowest = networks.indexOf(subject);
  return narrowest === -1 ? [subject] : networks.slice(narrowest);
}

/** The first `bits` bits, at most 64, of an IPv6 address in CIDR notation. */
function networkOf(groups: readonly number[], bits: number): string {
  const kept = groups.slice(0, 4).map((group, index) => {
    const used = Math.min(16, Math.max(0, bits - 16 * index));
    return (group & (0xffff << (16 - used)) & 0xffff).toString(16);
  });
  return `${kept.join(':')}::/${bits}`;
}

/**
 * The canonical spelling of an address, without port and zone id: an IPv4-mapped address as IPv4, other IPv6 addresses as in RFC 5952.
 * Undefined if `text` is not an address.
 */
export function canonicalAddress(text: string | undefined): string | undefined {
  const address = addressIn(text);
  if (address === undefined || !isIPv6(address)) return address;
  return mapped(groupsOf(address)) ?? new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/**
 * The address of a request in its canonical spelling, for logs and audit; null if there is none. If a trusted proxy forwards text that
 * is not an address, this is the address of the proxy.
 */
export function clientAddress(request: AddressedRequest): string | null {
  return canonicalAddress(request.ip) ?? canonicalAddress(request.socket?.remoteAddress) ?? null;
}

/** The client that a request counts for, see {@link networksOf}. Invalid text from a trusted proxy gets no limit of its own. */
export function countedClient(request: AddressedRequest): string {
  return clientAddress(request) ?? 'unknown';
}

/** The client of a request as one subject: its address, or its /64. */
export function clientSubject(request: AddressedRequest): string {
  return subjectOf(countedClient(request));
}

/**
 * The value for Fastify's `trustProxy`. With addresses and CIDRs, the client is the first address, seen from the socket, that is not
 * listed. With a hop count n, the client is the address n hops back, so that entries which the client itself sent do not count. The hop
 * count must be exact and the service must not be reachable directly, because no address is checked. (Fastify ignores a plain number
 * for that reason, hence the function.)
 */
export function fastifyTrustProxy(
  trustProxy: Config['trustProxy'],
): false | string[] | ((address: string, hop: number) => boolean) {
  if (trustProxy === undefined) return false;
  if (typeof trustProxy !== 'number') return trustProxy.length === 0 ? false : [...trustProxy];
  return trustProxy === 0 ? false : (_address, hop) => hop < trustProxy;
}
