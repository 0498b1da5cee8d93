// A product on Fastify 4 or 5.
import { createTestKit } from '@tandem-auth/verifier/testing';
import { requireAuth, tandemAuth } from '@tandem-auth/verifier/fastify';
import Fastify from 'fastify';
import { announce } from './announce.mjs';

const kit = await createTestKit();
const app = Fastify();
app.get('/open', (request) => ({ principal: request.principal ?? null }));
await app.register(async (scope) => {
  await scope.register(tandemAuth, { verifier: kit.verifier });
  scope.get('/me', (request) => request.principal);
  scope.post('/echo', (request) => request.body);
});
app.get('/admin', { onRequest: requireAuth(kit.verifier, { roles: ['admin'] }) }, () => ({}));
await app.listen({ port: 0, host: '127.0.0.1' });
await announce(kit, app.server.address().port);
