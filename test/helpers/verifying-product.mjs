// A product in a process of its own that verifies tokens by itself: `node verifying-product.mjs '{"issuer":…}'`, the options of createVerifier.
// It answers 200, or the status, headers and code of the refusal.
import { createServer } from 'node:http';
import { createVerifier } from '@tandem-auth/verifier';

const verifier = createVerifier(JSON.parse(process.argv[2]));
await verifier.ready();
const server = createServer((request, response) => {
  verifier.verify(request).then(
    () => response.writeHead(200).end('ok'),
    ({ status, headers, code }) => response.writeHead(status, headers).end(code),
  );
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
