import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../../../auth/auth.decorators.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';

/** What browsers load: the banner for the product's pages, the guide that it links to, and the page for developers. */
@ApiTags('Transition')
@Public()
@Controller('transition')
export class PagesController {
  private readonly banner: PublishedFile;
  private readonly page: PublishedFile;
  private readonly developerPage: PublishedFile;

  constructor(@Inject(CONFIG) config: Config) {
    this.banner = new PublishedFile('banner.js', 'text/javascript; charset=utf-8', config);
    this.page = new PublishedFile('guide.html', 'text/html; charset=utf-8', config);
    this.developerPage = new PublishedFile('developers.html', 'text/html; charset=utf-8', config);
  }

  @Get('banner.js')
  @ApiOperation({
    summary: 'A banner for web pages',
    description:
      'A script that asks people who are signed in by session to sign in again, and shows nothing to others.',
  })
  @ApiProduces('text/javascript')
  @ApiOkResponse({ schema: { type: 'string', example: '(() => { … })();' } })
  script(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.banner.send(request, reply);
  }

  @Get('guide')
  @ApiOperation({ summary: 'The guide for users: what to do before sessions end' })
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string', example: '<!doctype html>…' } })
  guide(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.page.send(request, reply);
  }

  @Get('developers')
  @ApiOperation({ summary: 'The guide for developers whose programs move to tokens' })
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string', example: '<!doctype html>…' } })
  developers(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.developerPage.send(request, reply);
  }
}

/** A public file, held in memory. Caches revalidate it after an hour, with its ETag (RFC 9110, section 8.8.3). */
class PublishedFile {
  private readonly content: string;
  private readonly etag: string;

  /** Replaces `{{prefix}}` by `PATH_PREFIX`, and removes the source map comment that the compiler adds. */
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
