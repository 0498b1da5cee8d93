import Fastify from 'fastify';
import type { PinoLogger } from 'nestjs-pino';
import { describe, expect, it } from 'vitest';
import type { StreamedRequest } from '../../../src/common/http/http.js';
import type { Metrics } from '../../../src/operations/metrics.js';
import { RequestObserver } from '../../../src/operations/request-observer.js';

/** What is logged of an answer of that status, as level and entry. */
async function loggedOf(
  status: number,
  target = '/here?token=secret',
  answered: Metrics['answered'] = () => undefined,
): Promise<[string, object][]> {
  const lines: [string, object][] = [];
  const write = (level: string) => (entry: object) => void lines.push([level, entry]);
  const logger = {
    logger: { isLevelEnabled: () => true },
    debug: write('debug'),
    info: write('info'),
    error: write('error'),
  };
  const fastify = Fastify();
  const metrics = { answered } as unknown as Metrics;
  new RequestObserver(metrics, logger as unknown as PinoLogger).observe(fastify);
  fastify.get('/here', (_request, reply) => reply.code(status).send());
  fastify.get('/stream', (request, reply) => {
    (request as StreamedRequest).headMs = 123_000;
    return reply.send();
  });
  fastify.get('/here/:id/files/*', (_request, reply) => reply.code(status).send());
  await fastify.inject(target);
  await fastify.close();
  return lines;
}

describe('RequestObserver', () => {
  it.each([
    [204, 'debug'],
    [302, 'debug'],
    [401, 'info'],
    [429, 'info'],
    [503, 'info'],
    [500, 'error'],
    [502, 'error'],
  ])('logs a response with status %i at level %s, once and without the query', async (status, level) => {
    expect(await loggedOf(status)).toEqual([
      [level, expect.objectContaining({ status, route: '/here', method: 'GET' })],
    ]);
  });

  it.each([
    ['/here/secret/files/secret?secret', '/here/:id/files/*'],
    ['/secret', '/*'],
    ['/', '/*'],
    ['//secret', '/*'],
    ['/here/secret', '/here/*'],
    ['/here/secret/files', '/here/*'],
    ['/here/?secret', '/here/*'],
    ['/HERE', '/*'],
    ['/here%2Fsecret', '/*'],
    [`/here${'/here'.repeat(400)}/secret`, '/here/*'],
  ])('logs %s with the route %s: the pattern, or the known prefix', async (target, route) => {
    const [[, entry]] = (await loggedOf(200, target)) as [[string, object]];
    expect(entry).toMatchObject({ route });
    expect(JSON.stringify(entry)).not.toContain('secret');
  });

  it('takes the time until the head for the response time of a stream', async () => {
    const seconds: number[] = [];
    const logged = await loggedOf(200, '/stream', (_method, _route, _status, took) => seconds.push(took));
    expect(seconds).toEqual([123]);
    expect(logged).toMatchObject([['debug', { ms: 123_000 }]]);
  });
});
