import { lookup as resolve } from 'node:dns';
import type { LookupAddress, LookupAllOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isForbiddenAddress } from './forbidden-address.js';

/** Resolves a name to all of its addresses. */
export type Resolver = (
  host: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Resolves a name to addresses that may be called, for a socket: the addresses that were checked are those that it connects to. Fails with
 * the code `FORBIDDEN_ADDRESS` if one of them may not be called: such a name is not the receiver's. The socket looks up names only, so
 * check a literal address before.
 */
export function checkedLookup(
  resolver: Resolver = resolve,
  isForbidden: (address: string) => boolean = isForbiddenAddress,
): LookupFunction {
  return (host, options, done) => {
    resolver(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, '', 0);
      if (addresses.length === 0 || addresses.some(({ address }) => isForbidden(address)))
        return done(Object.assign(new Error(), { code: 'FORBIDDEN_ADDRESS' }), '', 0);
      const [{ address, family }] = addresses as [{ address: string; family: number }];
      return options.all === true ? done(null, addresses) : done(null, address, family);
    });
  };
}
