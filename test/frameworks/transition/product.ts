/** A product that keeps its sessions in PostgreSQL with a real library. */
export interface PresetProduct {
  readonly cookieName: string;
  /** Logs a new user in, as a browser would. */
  login(): Promise<PresetLogin>;
  /** The user whom the product sees behind a Cookie header; undefined if nobody is logged in. */
  userOf(cookie: string): Promise<string | undefined>;
  logout(cookie: string): Promise<void>;
  close(): Promise<void>;
}

export interface PresetLogin {
  /** The user's id in the product. */
  readonly user: string;
  /** A Cookie header. */
  readonly cookie: string;
}

/** What signs the cookies of the product. */
export const PRODUCT_SECRET = 'a secret of the product, long enough for all';

/** The Cookie header for what a response has set under the name. Throws if it has set nothing. */
export function cookieSetIn(headers: Headers, name: string): string {
  const found = headers
    .getSetCookie()
    .map((line) => line.split(';')[0]!)
    .findLast((pair) => pair.startsWith(`${name}=`));
  if (found === undefined) throw new Error(`no cookie ${name}`);
  return found;
}
