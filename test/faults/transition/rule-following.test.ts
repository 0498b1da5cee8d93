import { randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  ROOT,
  sql,
  tokensOf,
  tryLogin,
  tryRefresh,
  until,
} from '../../helpers/client.js';
import type { Account, Reply, Tokens } from '../../helpers/client.js';
import {
  bySession,
  cookieFor,
  SECRET,
  sessionCookie,
  trySessionLogin,
} from '../../e2e/transition/session-client.js';

const REQUESTS = 10_000;
const CLIENTS = 10;

/** Logins that nobody uses until their access tokens have expired. */
const SLEEPERS = 10;

/** Seconds that access tokens live: short, so that many expire on the way. */
const LIFE = 3;

/** The same numbers in every run: which of its habits a client follows next. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** Somebody with an app that has tokens and a browser that has a session, and with bad luck and bad company. */
class Person {
  private tokens: Tokens | undefined;
  private cookie: string | undefined;
  /** The tokens may have ended with the session that they were exchanged for. */
  private linked = false;
  private readonly next: () => number;

  constructor(
    private readonly node: TestApp,
    private readonly account: Account,
    private readonly admin: () => string,
    private readonly count: (scheme: 'bearer' | 'session', reply: Reply) => Reply,
    seed: number,
  ) {
    this.next = dice(seed);
  }

  async act(): Promise<void> {
    const turn = this.next();
    if (turn < 0.2) return this.browse();
    const tokens = (this.tokens ??= await this.logIn());
    if (turn < 0.78) return this.useApi(tokens);
    if (turn < 0.88) return this.refresh(tokens);
    if (turn < 0.91) return this.loseAnAnswer(tokens);
    if (turn < 0.94) return this.twoTabs(tokens);
    if (turn < 0.955) return this.logOut(tokens);
    if (turn < 0.96) return this.beRobbed(tokens);
    if (turn < 0.965) return this.beRevoked(tokens);
    if (turn < 0.967) return this.goBack(tokens);
    if (turn < 0.98) return this.bearerCall('no.such.token');
    if (turn < 0.99) {
      this.count('bearer', await tryRefresh(this.node, `tandem_rt_${randomBytes(54).toString('base64url')}`));
      return;
    }
    this.count('bearer', await tryLogin(this.node, { ...this.account, password: 'a slip of the finger' }));
  }

  private async logIn(): Promise<Tokens> {
    this.linked = false;
    return tokensOf(this.count('bearer', await tryLogin(this.node, this.account)));
  }

  private async bearerCall(token: string): Promise<void> {
    this.count('bearer', await get(this.node, '/api/users/me', token));
  }

  private async useApi(tokens: Tokens): Promise<void> {
    const reply = this.count('bearer', await get(this.node, '/api/users/me', tokens.access_token));
    if (codeOf(reply) === 'token_expired') await this.refresh(tokens);
    else if (codeOf(reply) === 'token_revoked') this.loseTokens();
    else expect(reply.statusCode).toBe(200);
  }

  private async refresh(tokens: Tokens): Promise<void> {
    const reply = this.count('bearer', await tryRefresh(this.node, tokens.refresh_token));
    if (codeOf(reply) === 'refresh_token_revoked') this.loseTokens();
    else this.tokens = tokensOf(reply);
  }

  private loseTokens(): void {
    expect(this.linked).toBe(true);
    this.tokens = undefined;
  }

  /** The first answer never arrives: the same token is presented again. */
  private async loseAnAnswer(tokens: Tokens): Promise<void> {
    this.count('bearer', await tryRefresh(this.node, tokens.refresh_token));
    await this.refresh(tokens);
  }

  private async twoTabs(tokens: Tokens): Promise<void> {
    await Promise.all([this.refresh(tokens), this.refresh(tokens)]);
  }

  /** The app does not notice at once. */
  private async logOut(tokens: Tokens): Promise<void> {
    this.count('bearer', await post(this.node, '/auth/logout', undefined, bearer(tokens.access_token)));
    this.tokens = undefined;
    await this.bearerCall(tokens.access_token);
    this.count('bearer', await tryRefresh(this.node, tokens.refresh_token));
  }

  private async beRobbed(tokens: Tokens): Promise<void> {
    await this.refresh(tokens);
    if (this.tokens === undefined) return;
    await this.refresh(this.tokens);
    const reply = this.count('bearer', await tryRefresh(this.node, tokens.refresh_token));
    expect(codeOf(reply)).toBe('refresh_token_reused');
    this.count('bearer', await tryRefresh(this.node, this.tokens.refresh_token));
    this.tokens = undefined;
  }

  private async beRevoked(tokens: Tokens): Promise<void> {
    const url = `/admin/users/${this.account.id}/revoke`;
    this.count('bearer', await post(this.node, url, undefined, bearer(this.admin())));
    this.tokens = undefined;
    await this.bearerCall(tokens.access_token);
    this.count('bearer', await tryRefresh(this.node, tokens.refresh_token));
  }

  /** The answer is lost, and the app does not notice at once. */
  private async goBack(tokens: Tokens): Promise<void> {
    const { refresh_token } = tokens;
    const downgrade = async () =>
      this.count('bearer', await post(this.node, '/auth/downgrade', { refresh_token }));
    const first = await downgrade();
    this.tokens = undefined;
    if (first.statusCode === 401) return this.loseTokens();
    this.cookie = sessionCookie(first);
    expect(sessionCookie(await downgrade())).toBe(this.cookie);
    await this.bearerCall(tokens.access_token);
    this.count('bearer', await tryRefresh(this.node, refresh_token));
  }

  /** The answer is lost, the second one is used, the third comes too late. */
  private async moveOver(cookie: string): Promise<void> {
    const exchange = async () =>
      this.count('session', await bySession(this.node, cookie, { method: 'POST', url: '/auth/exchange' }));
    if (codeOf(await exchange()) === 'already_exchanged') return;
    this.tokens = tokensOf(await exchange());
    this.linked = true;
    await this.refresh(this.tokens);
    expect(codeOf(await exchange())).toBe('already_exchanged');
  }

  private async browse(): Promise<void> {
    this.cookie ??= sessionCookie(this.count('session', await trySessionLogin(this.node, this.account)));
    const turn = this.next();
    const call = (cookie: string) => bySession(this.node, cookie, { url: '/api/users/me' });
    if (turn < 0.02)
      this.count('session', await call(cookieFor(randomBytes(24).toString('base64url'), 'forged')));
    const reply = this.count('session', await call(this.cookie!));
    // Somebody revoked everything in the meantime.
    if (reply.statusCode === 401) this.cookie = undefined;
    else if (turn > 0.9 && turn < 0.95) await this.moveOver(this.cookie!);
    else if (turn > 0.95) {
      const out = await bySession(this.node, this.cookie!, { method: 'POST', url: '/api/logout' });
      this.count('session', out);
      this.count('session', await call(this.cookie!));
      this.cookie = undefined;
    }
  }
}

describe('ten thousand requests that follow the rules', () => {
  let node: TestApp;
  let accounts: Account[];
  let sleeper: Account;
  beforeAll(async () => {
    node = await createTestApp({
      env: { SESSION_SECRET: SECRET, TOKEN_EXPIRY: String(LIFE), CLOCK_TOLERANCE: '0' },
    });
    accounts = [];
    for (let made = 0; made < CLIENTS; made++) accounts.push(await aUser(node));
    sleeper = await aUser(node);
  });
  afterAll(() => node.close());

  it('sign nobody out, and each one is in the report', async () => {
    const counted = {
      bearer: { requests: 0, errors: {} as Record<string, number> },
      session: { requests: 0, errors: {} as Record<string, number> },
    };
    const count = (scheme: 'bearer' | 'session', reply: Reply): Reply => {
      counted[scheme].requests += 1;
      const code = reply.statusCode >= 400 ? codeOf(reply)! : undefined;
      if (code !== undefined) counted[scheme].errors[code] = (counted[scheme].errors[code] ?? 0) + 1;
      return reply;
    };
    const done = () => counted.bearer.requests + counted.session.requests;
    let adminToken = (await login(node)).access_token;
    let renewed = Date.now();
    const admin = () => adminToken;
    await node.app.get(RecorderService).flush();
    await sql(node, 'TRUNCATE report_buckets');
    const sleepers: Tokens[] = [];
    while (sleepers.length < SLEEPERS)
      sleepers.push(tokensOf(count('bearer', await tryLogin(node, sleeper))));
    await Promise.all(
      accounts.map(async (account, seed) => {
        const person = new Person(node, account, admin, count, seed + 1);
        while (done() < REQUESTS) {
          if (seed === 0 && Date.now() - renewed > (LIFE * 1000) / 3) {
            renewed = Date.now();
            adminToken = tokensOf(count('bearer', await tryLogin(node, ROOT))).access_token;
          }
          await person.act();
        }
      }),
    );
    for (const { access_token, refresh_token } of sleepers) {
      await until(async () => decodeJwt(access_token).exp! * 1000 < Date.now(), 2 * LIFE * 1000);
      expect(codeOf(count('bearer', await get(node, '/api/users/me', access_token)))).toBe('token_expired');
      tokensOf(count('bearer', await tryRefresh(node, refresh_token)));
    }
    const token = (await login(node)).access_token;
    counted.bearer.requests += 1;
    const report = (await get(node, '/admin/rollout/report', token)).json<{
      schemes: Record<'bearer' | 'session', { unexpected_logouts: object }>;
    }>();
    const unexpected_logouts = { total: 0, by_cause: {} };
    expect(report.schemes).toMatchObject({
      bearer: { ...counted.bearer, unexpected_logouts },
      session: { ...counted.session, unexpected_logouts },
    });
    // They did all that they were to do.
    for (const code of ['token_expired', 'token_revoked', 'token_malformed', 'refresh_token_reused'])
      expect(counted.bearer.errors[code]).toBeGreaterThan(5);
    for (const code of ['refresh_token_revoked', 'refresh_token_invalid', 'invalid_credentials'])
      expect(counted.bearer.errors[code]).toBeGreaterThan(5);
    expect(counted.session.requests).toBeGreaterThan(1_000);
    for (const code of ['session_invalid', 'already_exchanged'])
      expect(counted.session.errors[code]).toBeGreaterThan(5);
  }, 300_000);
});
