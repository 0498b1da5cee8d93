import { Global, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import type { EvaluationContext, Provider, ResolutionDetails } from '@openfeature/server-sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { RolloutService } from '../../../src/transition/rollout/rollout.service.js';
import { FLAG_PROVIDER } from '../../../src/transition/rollout/rollout-flag.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, login, tryLogin, tryRefresh } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';

const SOME_ID = '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10';

/** A team's provider that says what it is told to, and remembers what it was asked. */
class TeamProvider implements Provider {
  readonly runsOn = 'server';
  readonly metadata = { name: 'the team’s own' };
  readonly asked: [string, EvaluationContext][] = [];
  closed = false;
  answer: () => Promise<boolean> = () => Promise.resolve(true);

  async resolveBooleanEvaluation(
    key: string,
    _: boolean,
    context: EvaluationContext,
  ): Promise<ResolutionDetails<boolean>> {
    this.asked.push([key, context]);
    return { value: await this.answer() };
  }
  resolveStringEvaluation(): Promise<never> {
    return Promise.reject(new Error('no such flag'));
  }
  resolveNumberEvaluation(): Promise<never> {
    return Promise.reject(new Error('no such flag'));
  }
  resolveObjectEvaluation(): Promise<never> {
    return Promise.reject(new Error('no such flag'));
  }
  onClose(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

@Global()
@Module({})
class TeamFlags {
  static with(provider: Provider): DynamicModule {
    return {
      module: TeamFlags,
      providers: [{ provide: FLAG_PROVIDER, useValue: provider }],
      exports: [FLAG_PROVIDER],
    };
  }
}

describe('a team’s own flag provider', () => {
  const nodes: TestApp[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0).toReversed()) await node.close();
  });

  async function aNode(provider: Provider, first?: TestApp): Promise<TestApp> {
    const node = await createTestApp({
      imports: [TeamFlags.with(provider)],
      ...(first === undefined ? {} : { db: first.db }),
    });
    nodes.push(node);
    return node;
  }

  /** One of each database; administrators may have tokens whatever a provider says. */
  const users = new WeakMap<TestApp['db'], Account>();
  async function userOf(node: TestApp): Promise<Account> {
    const user = users.get(node.db) ?? (await aUser(node));
    users.set(node.db, user);
    return user;
  }

  const outcome = async (node: TestApp) => {
    const reply = await tryLogin(node, await userOf(node));
    return reply.statusCode === 200 ? '200' : `${reply.statusCode} ${codeOf(reply)}`;
  };

  it('decides who may have tokens, by user, role and phase', async () => {
    const provider = new TeamProvider();
    const node = await aNode(provider);
    const { access_token } = await login(node);
    await node.app.inject({
      method: 'PATCH',
      url: '/admin/rollout',
      payload: { percentage: 0 },
      ...bearer(access_token),
    });
    expect(await outcome(node)).toBe('200');
    provider.answer = () => Promise.resolve(false);
    expect(await outcome(node)).toBe('403 jwt_not_enabled');
    const { id } = await userOf(node);
    expect(provider.asked.at(-1)).toEqual([
      'tokens',
      expect.objectContaining({ targetingKey: id, role: 'user', phase: 'gradual_rollout' }),
    ]);
  });

  it('is not called in phases with a fixed answer', async () => {
    const provider = new TeamProvider();
    const node = await aNode(provider);
    const { access_token } = await login(node);
    provider.answer = () => Promise.resolve(false);
    const payload = { phase: 'deprecation_notice' };
    await node.app.inject({ method: 'PATCH', url: '/admin/rollout', payload, ...bearer(access_token) });
    expect(await outcome(node)).toBe('200');
  });

  it.each([
    ['fails', () => Promise.reject(new Error('the flag service is away'))],
    ['hangs', () => new Promise<never>(() => undefined)],
  ])('refuses new families and keeps existing ones if it %s', async (_, answer) => {
    const provider = new TeamProvider();
    const node = await aNode(provider);
    const admin = bearer((await login(node)).access_token);
    const tokens = await login(node, await aUser(node));
    await node.app.inject({ method: 'PATCH', url: '/admin/rollout', payload: { drain: true }, ...admin });
    provider.answer = answer;
    expect(await outcome(node)).toBe('403 jwt_not_enabled');
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(200);
  });

  it('belongs to its own application among two in one process, and is closed with it', async () => {
    const [yes, no] = [new TeamProvider(), new TeamProvider()];
    no.answer = () => Promise.resolve(false);
    const first = await aNode(yes);
    const second = await aNode(no, first);
    expect([await outcome(first), await outcome(second)]).toEqual(['200', '403 jwt_not_enabled']);
    await nodes.pop()!.close();
    expect([yes.closed, no.closed]).toEqual([false, true]);
    expect(await first.app.get(RolloutService).isEligible({ id: SOME_ID, role: 'user' })).toBe(true);
  });

  it('does not stop the start if it cannot be initialised, and decides once it answers', async () => {
    const provider = Object.assign(new TeamProvider(), {
      initialize: () => Promise.reject(new Error('no licence')),
    });
    provider.answer = provider.initialize;
    const node = await aNode(provider);
    expect(await outcome(node)).toBe('403 jwt_not_enabled');
    provider.answer = () => Promise.resolve(true);
    expect(await outcome(node)).toBe('200');
  });

  it('is not called for administrators', async () => {
    const provider = new TeamProvider();
    provider.answer = () => Promise.resolve(false);
    const node = await aNode(provider);
    const tokens = await login(node);
    expect(await outcome(node)).toBe('403 jwt_not_enabled');
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(200);
  });
});
