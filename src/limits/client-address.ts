import { isIP, isIPv6 } from 'node:net';
import type { Config } from '../config/config.js';

/** What is needed of a request: Fastify's `ip` is the address that `trustProxy` resolved. */
export interface AddressedRequest {
  readonly ip: string | undefined;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Some proxies write the port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/;

/** The address in `text` without port and zone id; undefined if it is none. */
function addressIn(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const match = WITH_PORT.exec(text);
  const address = (match?.[1] ?? match?.[2] ?? text).replace(/%.*$/s, '');
  return isIP(address) === 0 ? undefined : address;
}

/** The eight groups of an IPv6 address without zone id. */
function groupsOf(address: string): number[] {
  // The URL parser brings every spelling, dotted quads included, into one form (RFC 5952).
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** The IPv4 address that an IPv6 one (`::ffff:…`) stands for, if it does. */
function mapped(groups: readonly number[]): string | undefined {
  const [a = 0, b = 0] = groups.slice(6);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? [a >> 8, a & 255, b >> 8, b & 255].join('.') : undefined;
}

/** IPv4 as it is, IPv4 in IPv6 clothes (`::ffff:…`) as that IPv4, other IPv6 as its /64 (what one customer gets at least). */
export function subjectOf(address: string): string {
  if (!isIPv6(address)) return address;
  const groups = groupsOf(address);
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return mapped(groups) ?? `${network.join(':')}::/64`;
}

/**
 * The one spelling of an address, without port and zone id: IPv4 also where it comes in IPv6 clothes, other IPv6 as RFC
 * 5952 writes it. Undefined for what is none.
 */
export function canonicalAddress(text: string | undefined): string | undefined {
  const address = addressIn(text);
  if (address === undefined || !isIPv6(address)) return address;
  return mapped(groupsOf(address)) ?? new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/**
 * The address of a request in its one spelling, for logs and audit. Null if there is none. When a trusted proxy passes on text that
 * is no address, this is the proxy's own.
 */
export function clientAddress(request: AddressedRequest): string | null {
  return canonicalAddress(request.ip) ?? canonicalAddress(request.socket?.remoteAddress) ?? null;
}

/**
 * Whom a request counts for. When the resolved address is none (a trusted proxy passed on rubbish), the socket's counts, so
 * that rubbish opens no fresh allowance.
 */
export function clientSubject(request: AddressedRequest): string {
  const address = addressIn(request.ip) ?? addressIn(request.socket.remoteAddress);
  return address === undefined ? 'unknown' : subjectOf(address);
}

/**
 * The value for Fastify's `trustProxy`. Addresses and CIDRs are trusted from the socket backwards until the first that is not
 * listed: that one is the client. A hop count n takes the address n hops back, so that entries which the client itself sent
 * do not count; it must be exact and the service out of direct reach, since no address is checked. (Fastify ignores a plain
 * number for that reason: hence the function.)
 */
export function fastifyTrustProxy(
  trustProxy: Config['trustProxy'],
): false | string[] | ((address: string, hop: number) => boolean) {
  if (trustProxy === undefined) return false;
  if (typeof trustProxy !== 'number') return trustProxy.length === 0 ? false : [...trustProxy];
  return trustProxy === 0 ? false : (_address, hop) => hop < trustProxy;
}
