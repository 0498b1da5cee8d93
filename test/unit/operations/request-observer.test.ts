import Fastify from 'fastify';
import type { PinoLogger } from 'nestjs-pino';
import { describe, expect, it } from 'vitest';
import type { Metrics } from '../../../src/operations/metrics.js';
import { RequestObserver } from '../../../src/operations/request-observer.js';

/** What is logged of an answer of that status, as level and entry. */
async function loggedOf(status: number): Promise<[string, object][]> {
  const lines: [string, object][] = [];
  const write = (level: string) => (entry: object) => void lines.push([level, entry]);
  const logger = {
    logger: { isLevelEnabled: () => true },
    debug: write('debug'),
    info: write('info'),
    error: write('error'),
  };
  const fastify = Fastify();
  const metrics = { answered: () => undefined } as unknown as Metrics;
  new RequestObserver(metrics, logger as unknown as PinoLogger).observe(fastify);
  fastify.get('/here', (_request, reply) => reply.code(status).send());
  await fastify.inject('/here?token=secret');
  await fastify.close();
  return lines;
}

describe('an answer is logged', () => {
  it.each([
    [204, 'debug'],
    [302, 'debug'],
    [401, 'info'],
    [429, 'info'],
    [503, 'info'],
    [500, 'error'],
    [502, 'error'],
  ])('of status %i at level %s, once and without its query', async (status, level) => {
    expect(await loggedOf(status)).toEqual([
      [level, expect.objectContaining({ status, path: '/here', method: 'GET' })],
    ]);
  });
});
