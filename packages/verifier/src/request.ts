/** Headers as `fetch`, Node.js and the frameworks have them. Names in plain objects are in lower case. */
export type HeadersLike = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request of `fetch`, Node.js, Express or Fastify. */
export interface RequestLike {
  readonly method?: string | undefined;
  readonly headers: HeadersLike;
}

/** The parts of a request that the verifier reads. */
export interface PresentedRequest {
  /** The method. If it is undefined, the request counts as one that changes state. */
  readonly method: string | undefined;
  /** The value of a header. Several values are joined, as RFC 9110 says (cookies: RFC 6265). */
  readonly header: (name: string) => string | undefined;
}

/** Accepts a request, or its headers alone. */
export function presentedRequest(source: HeadersLike | RequestLike): PresentedRequest {
  if (isRequest(source)) return { method: source.method, header: reader(source.headers) };
  return { method: undefined, header: reader(source) };
}

/** A header that is called `headers` is text, so no client can make its headers look like a request. */
function isRequest(source: HeadersLike | RequestLike): source is RequestLike {
  const { headers } = source as { headers?: unknown };
  return typeof headers === 'object' && headers !== null && !Array.isArray(headers);
}

function reader(headers: HeadersLike): PresentedRequest['header'] {
  if (headers instanceof Headers) return (name) => headers.get(name) ?? undefined;
  return (name) => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return typeof value === 'object' ? value.join(name === 'cookie' ? '; ' : ', ') : value;
  };
}
