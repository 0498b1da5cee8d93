import { Controller, Delete, Get, Header, HttpCode, Param, ParseUUIDPipe, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal } from '../auth.decorators.js';
import { ApiProblems } from '../../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { DeviceStore } from '../../tokens/families/device.store.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { DevicesDto } from '../auth.dto.js';
import { AUTH_ERRORS, refuseAuth } from '../auth.errors.js';
import { originOf } from '../http/request-origin.js';
import type { Principal } from '../principal.js';

@ApiTags('Authentication')
@ApiAuthenticated()
@Controller('auth/devices')
export class DevicesController {
  constructor(
    private readonly devices: DeviceStore,
    private readonly revocations: RevocationService,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'List devices', description: "The caller's live logins, last used first." })
  @ApiOkResponse({ type: DevicesDto })
  async list(@CurrentPrincipal() { userId, sid }: Principal): Promise<DevicesDto> {
    const devices = await this.devices.list(userId);
    return { devices: devices.map((device) => ({ ...device, current: device.id === sid })) };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Log a device out', description: 'Ends one of the logins of the caller.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems(AUTH_ERRORS, 'device_not_found')
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  async remove(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<void> {
    if (!(await this.devices.isOwned(id, userId))) throw refuseAuth('device_not_found');
    await this.revocations.revokeFamilies([id], 'logout', 'logout', originOf(request));
  }
}
