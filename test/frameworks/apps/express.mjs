// A product on Express 4 or 5.
import { createTestKit } from '@tandem-auth/verifier/testing';
import { requireAuth } from '@tandem-auth/verifier/express';
import express from 'express';
import { announce } from './announce.mjs';

const kit = await createTestKit();
const app = express();
app.get('/open', (request, response) => response.json({ principal: request.principal ?? null }));
app.get('/me', requireAuth(kit.verifier), (request, response) => response.json(request.principal));
app.get('/admin', requireAuth(kit.verifier, { roles: ['admin'] }), (request, response) => response.json({}));
app.post('/echo', requireAuth(kit.verifier), express.json(), (request, response) =>
  response.json(request.body),
);
const server = app.listen(0, '127.0.0.1', () => void announce(kit, server.address().port));
