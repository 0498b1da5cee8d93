import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../../config/config.js';

/** Methods that change nothing (RFC 9110, section 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Whether the peer at the other end of the connection is one whose word counts. */
export type PeerTrust = (request: FastifyRequest) => boolean;

export function trustIn(trustProxy: Config['trustProxy']): PeerTrust {
  if (trustProxy === undefined) return () => false;
  // So many hops are proxies: the nearest one always is.
  if (typeof trustProxy === 'number') return () => trustProxy > 0;
  const trusted = new BlockList();
  for (const entry of trustProxy) {
    const [address = '', prefix] = entry.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  return ({ socket }) => {
    const peer = socket.remoteAddress?.replace(/%.*$/s, '') ?? '';
    // IPv4 in IPv6 clothes is found among the IPv4 addresses too.
    if (isIPv4(peer)) return trusted.check(peer, 'ipv4');
    return isIPv6(peer) && trusted.check(peer, 'ipv6');
  };
}

/** Whether the call may change something. */
export function changesState(request: FastifyRequest): boolean {
  return !SAFE.has(request.method);
}

/**
 * The same of the call that a trusted proxy asks about. Of two headers that disagree the worse counts: the proxy sets one, and
 * may pass on the other as the client sent it.
 */
export function askedToChangeState(request: FastifyRequest): boolean {
  const asked = [request.headers['x-forwarded-method'], request.headers['x-original-method']].flat();
  return asked.some((method) => method !== undefined && !SAFE.has(method.trim().toUpperCase()));
}
