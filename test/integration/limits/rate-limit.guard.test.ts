import { Controller, Get, Global, Module, UseGuards } from '@nestjs/common';
import type { ArgumentsHost, CanActivate, ExceptionFilter } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { FastifyReply } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { Clock } from '../../../src/common/clock.js';
import type { Problem } from '../../../src/common/http/problem.js';
import { CONFIG } from '../../../src/config/config.js';
import { Database } from '../../../src/database/database.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { fastifyTrustProxy } from '../../../src/limits/client-address.js';
import { LimitsModule } from '../../../src/limits/limits.module.js';
import { RateLimitGuard, RateLimited } from '../../../src/limits/rate-limit.guard.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const passwordChecks = vi.fn(() => true);

class PasswordGuard implements CanActivate {
  canActivate = () => passwordChecks();
}

@Controller()
class Routes {
  @RateLimited('login')
  @UseGuards(RateLimitGuard, PasswordGuard)
  @Get('login')
  login() {
    return 'ok';
  }

  @UseGuards(RateLimitGuard, PasswordGuard)
  @RateLimited('login')
  @Get('login-too')
  loginToo() {
    return 'ok';
  }

  @RateLimited('refresh')
  @UseGuards(RateLimitGuard)
  @Get('refresh')
  refresh() {
    return 'ok';
  }

  @Get('open')
  open() {
    return 'ok';
  }
}

class ProblemToHeaders implements ExceptionFilter<Problem> {
  catch(problem: Problem, host: ArgumentsHost) {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    void reply.status(problem.getStatus()).headers(problem.headers).send(problem.code);
  }
}

describe('RateLimited', () => {
  let test: TestDatabase;
  const nodes: NestFastifyApplication[] = [];

  async function startNode(): Promise<NestFastifyApplication> {
    const config = { authRateLimit: 3, authRateWindow: 60, trustProxy: 1 };
    @Global()
    @Module({
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Database, useValue: test.database },
        Clock,
        { provide: BackgroundLoops, useValue: new BackgroundLoops(false) },
        ServiceStateStore,
      ],
      exports: [BackgroundLoops, CONFIG, Database, Clock, ServiceStateStore],
    })
    class Base {}
    const module = await Test.createTestingModule({
      imports: [Base, LimitsModule],
      controllers: [Routes],
    }).compile();
    const app = module.createNestApplication<NestFastifyApplication>(
      new FastifyAdapter({ trustProxy: fastifyTrustProxy(1) }),
      { logger: false },
    );
    app.useGlobalFilters(new ProblemToHeaders());
    await app.init();
    return app;
  }

  const get = (node: number, url: string, client: string) =>
    nodes[node]!.inject({ url, headers: { 'x-forwarded-for': client } });

  beforeAll(async () => {
    test = await createTestDatabase();
    nodes.push(await startNode(), await startNode());
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await test.drop();
  });

  it('states the remaining calls, refuses calls over the limit, and counts over all nodes and handlers of a bucket', async () => {
    const first = await get(0, '/login', '192.0.2.1');
    expect(first.headers).toMatchObject({
      'ratelimit-policy': '"login";q=3;w=60',
      ratelimit: '"login";r=2;t=60',
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-reset': '60',
    });
    expect(first.headers).not.toHaveProperty('retry-after');
    expect((await get(1, '/login', '192.0.2.1')).statusCode).toBe(200);
    expect((await get(1, '/login-too', '192.0.2.1')).headers['ratelimit-remaining']).toBe('0');
    for (const node of [0, 1]) {
      const refusal = await get(node, '/login', '192.0.2.1');
      expect(refusal.statusCode).toBe(429);
      expect(refusal.body).toBe('rate_limited');
      expect(Number(refusal.headers['retry-after'])).toBeGreaterThan(50);
      expect(refusal.headers.ratelimit).toBe(`"login";r=0;t=${String(refusal.headers['retry-after'])}`);
    }
    expect((await get(0, '/refresh', '192.0.2.1')).statusCode).toBe(200);
    expect((await get(0, '/login', '192.0.2.2')).statusCode).toBe(200);
  });

  it('lets no more calls than the limit reach the password check, for any order of decorators', async () => {
    for (const [route, client] of [
      ['/login', '198.51.100.1'],
      ['/login-too', '198.51.100.2'],
    ] as const) {
      passwordChecks.mockClear();
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => get(i % 2, route, `203.0.113.${i}, ${client}`)),
      );
      expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(3);
      expect(passwordChecks).toHaveBeenCalledTimes(3);
    }
  });

  it('counts a /64 as one client', async () => {
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await get(0, '/login', `2001:db8:0:7::${i}`));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 429, 429]);
  });

  it('ignores routes without the decorator', async () => {
    const answer = await get(0, '/open', '192.0.2.1');
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).not.toHaveProperty('ratelimit');
  });

  it('stores no address in the table', async () => {
    const rows = await test.database.query<{ row: string }>('SELECT r::text AS row FROM rate_limits r');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ row }) => row).join()).not.toMatch(/192\.0\.2|2001:db8/);
  });
});
