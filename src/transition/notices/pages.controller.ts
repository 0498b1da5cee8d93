import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../../auth/auth.decorators.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { PublishedFile } from './published-file.js';

/** What browsers load: the banner for any page, and the guide that it links to. */
@ApiTags('Transition')
@Public()
@Controller('transition')
export class PagesController {
  private readonly banner: PublishedFile;
  private readonly page: PublishedFile;

  constructor(@Inject(CONFIG) config: Config) {
    this.banner = new PublishedFile('banner.js', 'text/javascript; charset=utf-8', config);
    this.page = new PublishedFile('guide.html', 'text/html; charset=utf-8', config);
  }

  @Get('banner.js')
  @ApiOperation({
    summary: 'A banner for web pages',
    description: 'A script that tells users of sessions, and nobody else, that sessions end.',
  })
  @ApiProduces('text/javascript')
  @ApiOkResponse({ schema: { type: 'string', example: '(() => { … })();' } })
  script(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.banner.send(request, reply);
  }

  @Get('guide')
  @ApiOperation({ summary: 'How to move, for people' })
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string', example: '<!doctype html>…' } })
  guide(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    this.page.send(request, reply);
  }
}
