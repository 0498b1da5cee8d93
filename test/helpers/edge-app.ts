import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Module,
  Param,
  Post,
  Query,
  UnauthorizedException,
} from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsInt,
  IsOptional,
  IsString,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { Logger } from 'nestjs-pino';
import type { DestinationStream } from 'pino';
import { fastifyAdapter, setUpApp } from '../../src/app.setup.js';
import type { TimeOuts } from '../../src/app.setup.js';
import { refuse } from '../../src/common/common.errors.js';
import { LoggingModule } from '../../src/common/logging/logging.module.js';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load-config.js';
import { DatabaseUnavailable } from '../../src/database/database.errors.js';
import { Drain } from '../../src/operations/drain.js';
import { Metrics } from '../../src/operations/metrics.js';
import { MetricsController } from '../../src/operations/metrics.controller.js';
import { RequestObserver } from '../../src/operations/request-observer.js';

class Part {
  @IsString()
  name!: string;
}

class LoginLike {
  @IsString()
  @MaxLength(256)
  username!: string;

  @IsString()
  @MaxLength(256)
  password!: string;

  @IsOptional()
  @IsArray()
  @ArrayMaxSize(8)
  @ValidateNested({ each: true })
  @Type(() => Part)
  parts?: Part[];
}

class Optional {
  @IsOptional()
  @IsString()
  text?: string;
}

class Page {
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  limit?: number;
}

const FAULTS: Readonly<Record<string, () => unknown>> = {
  bug: () => new Error('the secret inside text'),
  nothing: () => undefined,
  text: () => 'the secret inside text',
  database: () => new DatabaseUnavailable(new Error('the secret inside text')),
  network: () => Object.assign(new Error('connect 10.0.0.1'), { code: 'ECONNREFUSED' }),
  nul: () => Object.assign(new Error('invalid byte sequence'), { code: '22021', severity: 'ERROR' }),
  unauthorized: () => new UnauthorizedException('inside'),
  limited: () => refuse('rate_limited', { headers: { 'Retry-After': '7' } }),
};

@Controller()
class EdgeController {
  @Get('health/live')
  live() {
    return { status: 'ok' };
  }

  @Post('auth/login')
  @HttpCode(200)
  login(@Body() body: LoginLike) {
    return { username: body.username };
  }

  @Post('empty')
  @HttpCode(200)
  empty(@Body() body: Optional) {
    return { fields: Object.keys(body).length };
  }

  @Delete('items/:id')
  @HttpCode(204)
  remove(@Body() _body: Optional): void {}

  @Get('items')
  items(@Query() query: Page) {
    return { limit: query.limit ?? null };
  }

  @Get('items/:id')
  item(@Param('id') id: string) {
    return { id };
  }

  @Get('faults/:name')
  fault(@Param('name') name: string): never {
    throw FAULTS[name]!();
  }
}

export interface EdgeApp {
  readonly app: NestFastifyApplication;
  readonly port: number;
}

export function edgeConfig(overrides: Partial<Config> = {}): Config {
  const config = loadConfig({
    JWT_SECRET: 'a secret for tests of the edge alone',
    LOG_LEVEL: 'silent',
  });
  return { ...config, ...overrides };
}

/** Everything between the socket and the guards around a few routes, without a database. */
export async function startEdge(
  config: Config = edgeConfig(),
  { timeOuts, log }: { readonly timeOuts?: TimeOuts; readonly log?: DestinationStream } = {},
): Promise<EdgeApp> {
  @Module({
    imports: [LoggingModule.forRoot(config, log)],
    controllers: [EdgeController, MetricsController],
    providers: [Drain, Metrics, RequestObserver],
  })
  class EdgeModule {}
  const testing = await Test.createTestingModule({ imports: [EdgeModule] }).compile();
  const adapter = fastifyAdapter(config, timeOuts);
  const app = testing.createNestApplication<NestFastifyApplication>(adapter, { bufferLogs: true });
  app.useLogger(app.get(Logger));
  await setUpApp(app, config, timeOuts);
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as { port: number };
  return { app, port };
}
