// The least that a Node server can do.
import { createServer } from 'node:http';

const BODY = JSON.stringify({ status: 'ok' });
createServer((_request, response) => {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': BODY.length });
  response.end(BODY);
}).listen(Number(process.env.PORT), '127.0.0.1');
