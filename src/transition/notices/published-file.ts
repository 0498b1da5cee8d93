import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../../config/config.js';

/** A file that anybody may have, held in memory. Caches ask again after an hour, by its ETag (RFC 9110, section 8.8.3). */
export class PublishedFile {
  private readonly content: string;
  private readonly etag: string;

  /** `{{prefix}}` in it is where the service's own paths begin. The compiler copies what it does not compile, and notes its source map in what it does. */
  constructor(
    name: string,
    private readonly type: string,
    { pathPrefix }: Config,
  ) {
    this.content = readFileSync(join(import.meta.dirname, name), 'utf8')
      .replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')
      .replaceAll('{{prefix}}', () => pathPrefix);
    this.etag = `"${createHash('sha256').update(this.content).digest('base64url').slice(0, 22)}"`;
  }

  send(request: FastifyRequest, reply: FastifyReply): void {
    reply
      .header('ETag', this.etag)
      .header('Cache-Control', 'public, max-age=3600')
      .header('Cross-Origin-Resource-Policy', 'cross-origin')
      .type(this.type);
    const known = (request.headers['if-none-match'] ?? '')
      .split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''));
    if (known.includes(this.etag)) void reply.status(304).send();
    else void reply.send(this.content);
  }
}
