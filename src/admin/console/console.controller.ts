import { Controller, Get, Inject, Logger, Req, Res } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../../auth/auth.decorators.js';
import { ConsoleOrigin } from '../../auth/http/console-origin.js';
import { refuse } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ConsoleFiles } from './console-files.js';
import type { ConsoleFile, Encoding } from './console-files.js';

const BASE = '/console/';

const YEAR = 31_536_000;

/** Serves the files of the administrators' console. They contain no data: every call of the console authenticates itself. */
@ApiExcludeController()
@Public()
@Controller('console')
export class ConsoleController implements OnApplicationBootstrap {
  private readonly logger = new Logger(ConsoleController.name);

  constructor(
    private readonly files: ConsoleFiles,
    private readonly origin: ConsoleOrigin,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.console && this.config.production && !this.files.isBuilt)
      this.logger.warn('the console is on, but packages/console/dist is missing: run npm run build');
  }

  /** Sends the console, with and without a slash at the end of the path, and for every path below. */
  @Get(['', '*'])
  send(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const path = pathOf(request.url);
    const isServed = this.config.console && this.files.isBuilt && this.origin.isHere(request);
    if (!isServed) throw refuse('not_found');
    if (path === undefined) {
      void reply.redirect(`${this.config.pathPrefix}${BASE}`, 308);
      return;
    }
    const file = this.files.find(path);
    if (file === undefined) throw refuse('not_found');
    sendFile(file, request, reply);
  }
}

function sendFile(file: ConsoleFile, { headers }: FastifyRequest, reply: FastifyReply): void {
  const encoding = encodingFor(file, headers['accept-encoding']);
  reply
    .header('ETag', file.etag)
    .header('Cache-Control', file.isImmutable ? `public, max-age=${YEAR}, immutable` : 'no-cache')
    .header('Cross-Origin-Opener-Policy', 'same-origin')
    .header('Cross-Origin-Resource-Policy', 'same-origin')
    .header('Vary', 'Accept-Encoding')
    .type(file.type);
  const known = (headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes(file.etag)) return void reply.status(304).send();
  if (encoding !== 'identity') reply.header('Content-Encoding', encoding);
  void reply.send(file.bodies[encoding]);
}

/** The smallest encoding that the client accepts. */
function encodingFor(file: ConsoleFile, accepted: string | string[] | undefined): Encoding {
  const names = String(accepted ?? '')
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => !/;\s*q=0(?:\.0*)?$/.test(part))
    .map((part) => part.split(';')[0]);
  return (['br', 'gzip'] as const).find((name) => names.includes(name) && file.bodies[name]) ?? 'identity';
}

/** The path below `/console/`; undefined for `/console` itself. */
function pathOf(url: string): string | undefined {
  const path = url.split('?')[0]!;
  return path.startsWith(BASE) ? path.slice(BASE.length) : undefined;
}
