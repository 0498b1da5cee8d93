import { isIP } from 'node:net';
import { ValidateBy } from 'class-validator';
import { canonicalAddress } from '../../limits/client-address.js';

/** Bits of an IPv6 address before the IPv4 address that is mapped into it. */
const MAPPED_BITS = 96;

/**
 * An address, or a network in CIDR notation, with the address in the spelling in which addresses are stored. Undefined for other text. A
 * network of IPv4-mapped addresses becomes one of IPv4.
 */
export function canonicalNetwork(text: string): string | undefined {
  const [, address = text, bits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const version = isIP(address);
  const canonical = version === 0 ? undefined : canonicalAddress(address);
  if (canonical === undefined || bits === undefined) return canonical;
  const isMapped = version === 6 && isIP(canonical) === 4;
  const length = Number(bits) - (isMapped ? MAPPED_BITS : 0);
  const longest = isIP(canonical) === 4 ? 32 : 128;
  return length >= 0 && length <= longest ? `${canonical}/${length}` : undefined;
}

/** A function for `@Transform()` that normalises a network. Text that is not a network stays unchanged. */
export const toCanonicalNetwork = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' ? (canonicalNetwork(value) ?? value) : value;

/** An address, or a network in CIDR notation. */
export function IsNetwork(): PropertyDecorator {
  return ValidateBy({
    name: 'isNetwork',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && canonicalNetwork(value) !== undefined,
      defaultMessage: (args) => `${args?.property} must be an IP address, or a network such as 192.0.2.0/24`,
    },
  });
}
