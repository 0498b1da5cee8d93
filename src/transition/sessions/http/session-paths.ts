/** What a SESSION_USER_KEY may be made of; a longer name is more likely data than a field. */
const FIELD = /^[A-Za-z_]\w{0,39}$/;

const DEEPEST = 4;

/** Paths that are told. */
const MOST = 20;

/**
 * Where sessions hold a text or a number, by path as in SESSION_USER_KEY, with the values there; the most frequent path first. Left out
 * are the cookie's own fields, and paths that one of several sessions has alone: those may be data of one user.
 */
export function pathsIn(sessions: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const text of sessions) {
    const session = parsed(text);
    if (isFields(session)) collect({ ...session, cookie: undefined }, [], found);
  }
  const common = [...found].filter(([, values]) => values.length >= Math.min(2, sessions.length));
  return new Map(common.toSorted(([, a], [, b]) => b.length - a.length).slice(0, MOST));
}

function collect(fields: object, above: readonly string[], found: Map<string, string[]>): void {
  for (const [name, value] of Object.entries(fields) as [string, unknown][]) {
    if (!FIELD.test(name)) continue;
    const path = [...above, name];
    if (isFields(value)) {
      if (path.length < DEEPEST) collect(value, path, found);
    } else if (typeof value === 'string' || typeof value === 'number') {
      const key = path.join('.');
      found.set(key, [...(found.get(key) ?? []), String(value)]);
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
