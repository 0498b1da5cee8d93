import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Patch,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, FreshPassword, Roles } from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS, refuse } from '../common/common.errors.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../common/http/pagination.js';
import { OAuthClientService } from './oauth-client.service.js';
import type { ClientWithSecret } from './oauth-client.service.js';
import {
  ClientChangeDto,
  ClientDto,
  ClientWithSecretDto,
  ClientsDto,
  NewClientDto,
  clientView,
} from './oauth.dto.js';
import { CLIENT_ERRORS } from './oauth.errors.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/clients')
export class AdminClientsController {
  constructor(private readonly clients: OAuthClientService) {}

  @Get()
  @ApiOperation({
    summary: 'List service clients',
    description: 'Sorted by id, with disabled clients, in pages.',
  })
  @ApiOkResponse({ type: ClientsDto })
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<ClientsDto> {
    const { clients, next_cursor } = await this.clients.list(limit ?? DEFAULT_LIMIT, cursor);
    return { clients: clients.map(clientView), next_cursor };
  }

  @Post()
  @FreshPassword()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Register a service client',
    description:
      'Only this answer contains its secret. Without `scopes`, the client may introspect and revoke tokens.',
  })
  @ApiCreatedResponse({ type: ClientWithSecretDto })
  async create(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Body() { name, scopes }: NewClientDto,
  ): Promise<ClientWithSecretDto> {
    return withSecret(await this.clients.create(name, { actorId, origin: originOf(request) }, scopes));
  }

  @Patch(':id')
  @ApiOperation({
    summary: "Change a client's scopes",
    description: 'The client has only the new scopes from now on. Its secret stays the same.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: ClientDto })
  @ApiProblems(CLIENT_ERRORS, 'client_not_trusted')
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async change(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
    @Body() { scopes }: ClientChangeDto,
  ): Promise<ClientDto> {
    const changed = await this.clients.setScopes(id, scopes, { actorId, origin: originOf(request) });
    if (changed === undefined) throw refuse('not_found');
    return clientView(changed);
  }

  @Post(':id/secret')
  @FreshPassword()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: "Renew a client's secret", description: 'The old secret stops working at once.' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: ClientWithSecretDto })
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async renew(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<ClientWithSecretDto> {
    const renewed = await this.clients.renewSecret(id, { actorId, origin: originOf(request) });
    if (renewed === undefined) throw refuse('not_found');
    return withSecret(renewed);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Disable a service client',
    description: 'Disables the client permanently. Its secret stops working at once.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async disable(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<void> {
    if (!(await this.clients.disable(id, { actorId, origin: originOf(request) }))) throw refuse('not_found');
  }
}

function withSecret({ client, secret }: ClientWithSecret): ClientWithSecretDto {
  return { ...clientView(client), client_secret: secret };
}
