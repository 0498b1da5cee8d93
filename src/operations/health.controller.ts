import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, HealthIndicatorService, TypeOrmHealthIndicator } from '@nestjs/terminus';
import type { HealthIndicatorResult } from '@nestjs/terminus';
import { Public } from '../auth/auth.decorators.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS, refuse } from '../common/common.errors.js';
import { Database } from '../database/database.js';
import { Readiness } from './readiness.js';

const ALIVE = { status: 'ok' } as const;

const DATABASE_TIMEOUT_MS = 1_000;

@ApiTags('Operations')
@Public()
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly readiness: Readiness,
    private readonly pool: Database,
  ) {}

  @Get('live')
  @ApiOperation({
    summary: 'Liveness',
    description: 'Succeeds while the process runs. Checks no dependency.',
  })
  @ApiOkResponse({ schema: { type: 'object', example: ALIVE } })
  live(): typeof ALIVE {
    return ALIVE;
  }

  @Get('ready')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Readiness',
    description:
      'Succeeds while the database is reachable, the revocation feed is fresh, a signing key is available and the node is not ' +
      'stopping.',
  })
  @ApiOkResponse({ schema: { type: 'object', example: { status: 'ok' } } })
  @ApiProblems(COMMON_ERRORS, 'service_unavailable')
  async ready(): Promise<typeof ALIVE> {
    const checks = [
      () => this.database.pingCheck('database', { timeout: DATABASE_TIMEOUT_MS }),
      ...Object.entries(this.readiness.needs()).map(
        ([need, met]) =>
          () =>
            this.check(need, met),
      ),
    ];
    const failing: string[] = [];
    for (const check of checks) {
      await this.health.check([check]).catch((error: { response?: { error?: object } }) => {
        failing.push(...Object.keys(error.response?.error ?? { health: true }));
      });
    }
    if (failing.length > 0) {
      const { distrust } = this.pool;
      if (distrust !== undefined) {
        const names = failing.filter((name) => name !== 'database');
        failing.splice(0, failing.length, `database (${distrust})`, ...names);
      }
      const headers = { 'Retry-After': '1' };
      throw refuse('service_unavailable', { detail: `Not ready: ${failing.join(', ')}`, headers });
    }
    return ALIVE;
  }

  private check(name: string, up: boolean): HealthIndicatorResult {
    const indicator = this.indicators.check(name);
    return up ? indicator.up() : indicator.down();
  }
}
