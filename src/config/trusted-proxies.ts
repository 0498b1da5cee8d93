import { BlockList, isIP } from 'node:net';
import { commaSeparated } from './value-checks.js';

/** Parses `TRUST_PROXY` as a hop count if it is a number, otherwise as a list of addresses. */
export function parseTrustProxy(value: unknown): unknown {
  return typeof value === 'string' && /^[1-9]\d{0,2}$/.test(value) ? Number(value) : commaSeparated(value);
}

/** True for 1 to 100 hops, or a list of addresses and CIDRs. */
export function isTrustProxy(value: unknown): boolean {
  if (typeof value === 'number') return value <= 100;
  return Array.isArray(value) && value.every(isAddressOrCidr);
}

function isAddressOrCidr(value: unknown): boolean {
  // node:net accepts a zone (fe80::1%eth0), but code that compares addresses does not.
  if (typeof value !== 'string' || value.includes('%')) return false;
  const [address = '', prefix, ...rest] = value.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return (
    prefix === undefined ||
    (/^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
  );
}

/**
 * One address from each 1/256 of all IPv4 addresses, and of the IPv6 addresses that are in use (2000::/3). Their last bits are not the
 * first or last address of any network.
 */
const SAMPLES = {
  ipv4: Array.from({ length: 256 }, (_, index) => `${index}.85.170.51`),
  ipv6: Array.from({ length: 256 }, (_, index) => `${(0x2015 + index * 32).toString(16)}:aaaa:5555::3333`),
} as const;

/** True for a list of CIDRs that together cover at least half of all IPv4 or IPv6 addresses: these are not only proxies. */
export function trustsEveryone(value: unknown): boolean {
  if (!isTrustProxy(value) || typeof value === 'number') return false;
  const trusted = new BlockList();
  for (const item of value as string[]) {
    const [address = '', prefix] = item.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  return (['ipv4', 'ipv6'] as const).some(
    (family) => SAMPLES[family].filter((address) => trusted.check(address, family)).length >= 128,
  );
}
