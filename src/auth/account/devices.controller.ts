import { Controller, Delete, Get, Header, HttpCode, Param, ParseUUIDPipe, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { ApiAuthenticated, CurrentPrincipal } from '../auth.decorators.js';
import { DevicesDto } from '../auth.dto.js';
import { AUTH_ERRORS } from '../auth.errors.js';
import { originOf } from '../http/request-origin.js';
import type { Principal } from '../principal.js';
import { DevicesService } from './devices.service.js';

@ApiTags('Authentication')
@ApiAuthenticated()
@Controller('auth/devices')
export class DevicesController {
  constructor(private readonly devices: DevicesService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'List devices',
    description:
      "The caller's devices, last used first. A session and the token family that is linked to it are one device, the family's.",
  })
  @ApiOkResponse({ type: DevicesDto })
  list(@CurrentPrincipal() principal: Principal): Promise<DevicesDto> {
    return this.devices.list(principal);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Log a device out',
    description: "Revokes the token family or the session of one of the caller's devices.",
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems(AUTH_ERRORS, 'device_not_found')
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  remove(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() principal: Principal,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<void> {
    return this.devices.remove(id, principal, originOf(request));
  }
}
