/**
 * Where the console is, in the fragment of the address. Fragments are not sent to servers, so names and addresses in filters get into no log.
 */
export interface Place {
  /** `['logins', '<id>']` */
  readonly path: readonly string[];
  readonly filters: Readonly<Record<string, string>>;
}

/** The place that a fragment names. Anything can be in it. */
export function placeIn(fragment: string): Place {
  const [path = '', query = ''] = fragment.replace(/^#?\/?/, '').split(/\?(.*)/s);
  return {
    path: path.split('/').filter(Boolean).map(decoded),
    filters: Object.fromEntries([...new URLSearchParams(query)].filter(([, value]) => value !== '')),
  };
}

/** The fragment of a place, for links. */
export function linkTo(
  path: readonly string[],
  filters: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) if (value) given.set(name, value);
  const query = given.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${query === '' ? '' : `?${query}`}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
