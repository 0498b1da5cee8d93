import { BlockList, isIP } from 'node:net';

/**
 * Addresses that no outgoing call may reach: those of this link and of no host, and those at which clouds serve credentials to the machine.
 * Private and loopback addresses are allowed: products run there.
 */
const FORBIDDEN = new BlockList();
// "This network" (RFC 791), which means the machine itself on Linux. Link-local (RFC 3927). Multicast, reserved, broadcast.
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  FORBIDDEN.addSubnet(network, prefix, 'ipv4');
// Metadata services outside of 169.254/16: Alibaba Cloud, Oracle Cloud, Azure.
for (const address of ['100.100.100.200', '192.0.0.192', '168.63.129.16'])
  FORBIDDEN.addAddress(address, 'ipv4');
// Unspecified, link-local (RFC 4291, section 2.5.6), multicast, and the metadata service of AWS.
FORBIDDEN.addAddress('::', 'ipv6');
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
FORBIDDEN.addSubnet('ff00::', 8, 'ipv6');
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6');
// The same IPv4 addresses in IPv6: compatible (RFC 4291) and NAT64 (RFC 6052). Mapped ones (::ffff:0:0/96) count as IPv4 in a BlockList.
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['168.63.129.16', 32],
] as const) {
  FORBIDDEN.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6');
  // ::0.0.0.0/104 would forbid ::1.
  if (network !== '0.0.0.0') FORBIDDEN.addSubnet(`::${network}`, 96 + prefix, 'ipv6');
}

/** Whether no outgoing call may go to this IP address. True for a text that is no IP address. */
export function isForbiddenAddress(address: string): boolean {
  // A zone (fe80::1%eth0) says which link an address belongs to.
  const [bare = ''] = address.replace(/^\[(.*)\]$/, '$1').split('%', 1);
  const family = isIP(bare);
  if (family === 0) return true;
  return FORBIDDEN.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}
