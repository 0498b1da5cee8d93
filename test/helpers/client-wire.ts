type Fetch = typeof globalThis.fetch;

/** The network between a client and a real service: it counts the calls, keeps cookies if asked to, and can fail. */
export class Wire {
  /** Method and path of each call. */
  readonly calls: string[] = [];
  /** Decides what happens to a call after the service has answered it. */
  onAnswer: (path: string, answer: Response) => Promise<Response> | Response = (_path, answer) => answer;
  /** Runs when the service has answered, before the cookies arrive. The cookies of a call that is aborted meanwhile never do. */
  onReply: (path: string, signal: AbortSignal | null | undefined) => Promise<void> | void = () => {};
  /** Runs before a call is sent. */
  onCall: (path: string) => Promise<void> | void = () => {};
  /** Runs when a call has left with its cookies, before it arrives at the service. */
  onSend: (path: string) => Promise<void> | void = () => {};

  constructor(private readonly jar?: Jar) {}

  readonly fetch: Fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const method = init.method ?? (input instanceof Request ? input.method : 'GET');
    this.calls.push(`${method} ${url.pathname}`);
    await this.onCall(url.pathname);
    const headers = new Headers(init.headers);
    if (this.jar !== undefined) headers.set('cookie', this.jar.header(url.pathname));
    await this.onSend(url.pathname);
    const answer = await globalThis.fetch(input, { ...init, headers });
    await this.onReply(url.pathname, init.signal);
    init.signal?.throwIfAborted();
    this.jar?.keep(answer.headers.getSetCookie());
    return this.onAnswer(url.pathname, answer);
  };

  count(call: string): number {
    return this.calls.filter((each) => each === call).length;
  }
}

/** The cookies of one browser. They are sent as in a browser; the answer's cookies are kept even if the page never sees the answer. */
export class Jar {
  private readonly cookies = new Map<string, { readonly value: string; readonly path: string }>();

  header(path: string): string {
    return [...this.cookies]
      .filter(([, cookie]) => path.startsWith(cookie.path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
  }

  keep(lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(/; */);
      const name = pair.slice(0, pair.indexOf('='));
      const value = pair.slice(name.length + 1);
      const path = attributes.find((each) => /^path=/i.test(each))?.slice(5) ?? '/';
      if (value === '' || attributes.some((each) => /^max-age=0$/i.test(each))) this.cookies.delete(name);
      else this.cookies.set(name, { value, path });
    }
  }

  has(name: string): boolean {
    return this.cookies.has(name);
  }
}

/** A promise and the function that resolves it. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
