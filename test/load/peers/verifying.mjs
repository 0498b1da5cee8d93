// A service that verifies access tokens by itself: at /local by their signature and claims alone, at /followed with the stream of revocations.
import { createServer } from 'node:http';
import { createVerifier } from '@tandem-auth/verifier';

const { ISSUER, ISSUER_URL, CLIENT, PORT } = process.env;
const options = {
  issuer: ISSUER,
  audience: 'api',
  fetch: (url, init) => fetch(url.replace(ISSUER, ISSUER_URL), init),
};
const verifiers = {
  '/local': createVerifier(options),
  '/followed': createVerifier({ ...options, client: JSON.parse(CLIENT) }),
};
await Promise.all(Object.values(verifiers).map((verifier) => verifier.ready()));

createServer((request, response) => {
  verifiers[request.url].verify(request).then(
    () => response.writeHead(204).end(),
    ({ status, headers }) => response.writeHead(status, { ...headers, 'Content-Length': 0 }).end(),
  );
}).listen(Number(PORT), '127.0.0.1');
