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

/** The IPv4 address that a translator (RFC 6052, `64:ff9b::/96`) wrote into an IPv6 one. */
function translated(groups: readonly number[]): string | undefined {
  const [a = 0, b = 0] = groups.slice(6);
  const isTranslated = groups.slice(0, 6).join() === '100,65435,0,0,0,0';
  return isTranslated ? [a >> 8, a & 255, b >> 8, b & 255].join('.') : undefined;
}

/**
 * An IPv4 address as it is, an IPv4-mapped or translated one as that IPv4 address, and any other IPv6 address as its /64, which is
 * the least that one customer gets.
 */
export function subjectOf(address: string): string {
  return networksOf(address)[0].subject;
}

/** A network that a client's calls are counted for, and how many times a client's limit it has. */
export interface ClientNetwork {
  readonly subject: string;
  readonly times: number;
}

/** How much wider networks have: whoever holds a /56 or a /48 must not have 256 or 65,536 limits. */
const WIDER = [
  { bits: 56, times: 4 },
  { bits: 48, times: 16 },
];

/**
 * The networks that calls of `client` are counted for, the narrowest first. An IPv6 address counts for its /64, /56 and /48. Any
 * other text counts for itself alone: an IPv4 address, or a /64 that {@link subjectOf} returned.
 */
export function networksOf(client: string): [ClientNetwork, ...ClientNetwork[]] {
  if (!isIPv6(client)) return [{ subject: client, times: 1 }];
  const groups = groupsOf(client);
  const ipv4 = mapped(groups) ?? translated(groups);
  if (ipv4 !== undefined) return [{ subject: ipv4, times: 1 }];
  const wider = WIDER.map(({ bits, times }) => ({ subject: networkOf(groups, bits), times }));
  return [{ subject: networkOf(groups, 64), times: 1 }, ...wider];
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
 * The client that a request counts for, see {@link networksOf}. Rubbish that a trusted proxy passed on opens no fresh allowance.
 */
export function countedClient(request: AddressedRequest): string {
  return clientAddress(request) ?? 'unknown';
}

/** Whom a request is from, as one subject: its address, or its /64. */
export function clientSubject(request: AddressedRequest): string {
  return subjectOf(countedClient(request));
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
