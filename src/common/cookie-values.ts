/**
 * The different values that a Cookie header has for a name, quotes taken off (RFC 6265, section 5.4). Browsers send several cookies of
 * one name if their paths, domains or partitions differ. One of them may have been set by somebody else (cookie tossing), and their
 * order says nothing.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  if (header === undefined || !header.includes(name)) return [];
  const values = new Set<string>();
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    values.add(value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
  }
  return [...values];
}
