import type { Tokens } from '../../helpers/client.js';

interface Node {
  readonly url: string;
}

interface Credential {
  readonly token?: string;
  readonly cookie?: string;
  readonly agent?: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly code?: string;
    readonly id?: string;
    readonly user?: { readonly id: string };
  } & Partial<Tokens>;
}

export interface SchemeCounts {
  readonly requests: number;
  readonly users: number;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Counts {
  readonly bearer: SchemeCounts;
  readonly session: SchemeCounts;
  readonly agents: Readonly<Record<string, { readonly users: number; readonly requests: number }>>;
}

/** The calls that are a scheme's whatever they carry; everywhere else the credential says it. */
const AUTHENTICATION: Readonly<Record<string, 'bearer' | 'session'>> = {
  '/auth/login': 'bearer',
  '/auth/refresh': 'bearer',
  '/auth/logout': 'bearer',
  '/api/login': 'session',
  '/api/logout': 'session',
};

/** Calls nodes and counts for itself what the report has to say of it. */
export class CountingClient {
  private readonly schemes = {
    bearer: { requests: 0, users: new Set<string>(), errors: {} as Record<string, number> },
    session: { requests: 0, users: new Set<string>(), errors: {} as Record<string, number> },
  };
  private readonly agents = new Map<string, { requests: number; users: Set<string> }>();
  /** Whose a credential is. */
  private readonly owners = new Map<string, string>();

  counts(): Counts {
    const of = ({ requests, users, errors }: (typeof this.schemes)['bearer']) => ({
      requests,
      users: users.size,
      errors: { ...errors },
    });
    return {
      bearer: of(this.schemes.bearer),
      session: of(this.schemes.session),
      agents: Object.fromEntries(
        [...this.agents].map(([name, { requests, users }]) => [name, { requests, users: users.size }]),
      ),
    };
  }

  async call(
    { url }: Node,
    method: string,
    path: string,
    { token, cookie, agent, body }: Credential & { readonly body?: object } = {},
  ): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(cookie === undefined ? {} : { cookie }),
        ...(agent === undefined ? {} : { 'user-agent': agent }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer = {
      status: response.status,
      headers: response.headers,
      body: text === '' ? {} : (JSON.parse(text) as Answer['body']),
    };
    const scheme = AUTHENTICATION[path] ?? (token === undefined ? 'session' : 'bearer');
    const counts = this.schemes[scheme];
    counts.requests += 1;
    if (answer.status >= 400) {
      const code = answer.body.code!;
      counts.errors[code] = (counts.errors[code] ?? 0) + 1;
    }
    const refused = answer.status === 401;
    if (!refused) this.cameIn(scheme, this.owners.get(token ?? cookie ?? ''), path, agent);
    return answer;
  }

  me(node: Node, credential: Credential): Promise<Answer> {
    return this.call(node, 'GET', '/api/users/me', credential);
  }

  async login(node: Node, account: { readonly username: string; readonly password: string }) {
    const { username, password } = account;
    return this.tokens(await this.call(node, 'POST', '/auth/login', { body: { username, password } }));
  }

  async refresh(node: Node, refresh_token: string) {
    return this.tokens(await this.call(node, 'POST', '/auth/refresh', { body: { refresh_token } }));
  }

  async sessionLogin(node: Node, account: object, agent: string): Promise<string> {
    const { headers, body } = await this.call(node, 'POST', '/api/login', { body: account, agent });
    const cookie = headers.getSetCookie()[0]!.split(';')[0]!;
    this.owners.set(cookie, body.user!.id);
    this.cameIn('session', body.user!.id, '/api/login', agent);
    return cookie;
  }

  private tokens({ status, body }: Answer): Tokens | undefined {
    if (status !== 200) return undefined;
    const tokens = body as Tokens;
    const claims = Buffer.from(tokens.access_token.split('.')[1]!, 'base64url').toString();
    const { sub } = JSON.parse(claims) as { sub: string };
    this.owners.set(tokens.access_token, sub);
    this.cameIn('bearer', sub, '/auth/login', undefined);
    return tokens;
  }

  /** Whoever logs out has come in before. */
  private cameIn(
    scheme: 'bearer' | 'session',
    userId: string | undefined,
    path: string,
    agent: string | undefined,
  ): void {
    if (userId === undefined || path === '/auth/logout') return;
    this.schemes[scheme].users.add(userId);
    if (scheme !== 'session') return;
    let seen = this.agents.get(agent!);
    if (seen === undefined) this.agents.set(agent!, (seen = { requests: 0, users: new Set() }));
    seen.requests += 1;
    seen.users.add(userId);
  }
}
