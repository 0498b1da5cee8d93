import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsString,
  Matches,
  MaxLength,
  ValidateIf,
} from 'class-validator';
import { CLIENT_SCOPES, DEFAULT_SCOPES } from '../auth/client-scopes.js';
import type { ClientScope } from '../auth/client-scopes.js';
import { ROLE_PATTERN } from '../common/role.js';
import type { OAuthClient } from './oauth-client.entity.js';

export class TokenFormDto {
  @ApiProperty({ description: 'An access token or a refresh token', example: 'eyJhbGciOiJSUzI1NiIs…' })
  token!: string;

  @ApiPropertyOptional({ enum: ['access_token', 'refresh_token'], description: 'Not needed' })
  token_type_hint?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'With `client_secret_post`' })
  client_id?: string;

  @ApiPropertyOptional({ format: 'password', description: 'With `client_secret_post`' })
  client_secret?: string;
}

export class GrantFormDto {
  @ApiProperty({ enum: ['refresh_token'] })
  grant_type!: string;

  @ApiProperty({ example: 'tandem_rt_…' })
  refresh_token!: string;

  @ApiPropertyOptional({ description: 'Any text for a client without a secret' })
  client_id?: string;

  @ApiPropertyOptional({ format: 'password', description: 'With `client_secret_post`' })
  client_secret?: string;
}

/** RFC 7662, section 2.2. */
export class IntrospectionDto {
  @ApiProperty({ description: 'Whether the token is valid now. If not, the answer has no other member.' })
  active!: boolean;

  @ApiPropertyOptional({
    enum: ['access_token', 'refresh_token'],
    description: 'An API must not accept a refresh token',
  })
  token_use?: string;

  @ApiPropertyOptional({ enum: ['Bearer'], description: 'For an access token' })
  token_type?: string;

  @ApiPropertyOptional({ example: 'http://127.0.0.1:5000' })
  iss?: string;

  @ApiPropertyOptional({ example: 'api' })
  aud?: string;

  @ApiPropertyOptional({ format: 'uuid', description: "The user's id" })
  sub?: string;

  @ApiPropertyOptional({
    example: 'legacy-4711',
    description: 'The id of the user in your product, if there is one',
  })
  external_id?: string;

  @ApiPropertyOptional({ pattern: ROLE_PATTERN, example: 'user' })
  role?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'The id of the token family' })
  sid?: string;

  @ApiPropertyOptional({ format: 'uuid' })
  jti?: string;

  @ApiPropertyOptional({ description: 'Seconds since 1970' })
  iat?: number;

  @ApiPropertyOptional({ description: 'Seconds since 1970' })
  exp?: number;
}

const SCOPES_SCHEMA = { enum: CLIENT_SCOPES, isArray: true, minItems: 1 } as const;

/** At least one scope, each at most once. */
const AreScopes = () =>
  applyDecorators(
    IsIn(CLIENT_SCOPES, { each: true, message: `scopes must be of ${CLIENT_SCOPES.join(', ')}` }),
    ArrayUnique(),
    ArrayNotEmpty(),
    IsArray(),
  );

const VISIBLE = /^[^\p{Cc}\p{Cf}]*[^\p{C}\p{Z}][^\p{Cc}\p{Cf}]*$/u;
const MAX_NAME_LENGTH = 128;

/** Whether the text can be the name of a client. */
export function isClientName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && VISIBLE.test(text);
}

export class NewClientDto {
  @ApiProperty({ example: 'billing', maxLength: 128, description: 'A name for people' })
  @Matches(VISIBLE, { message: 'name must be visible text' })
  @MaxLength(MAX_NAME_LENGTH)
  @IsString()
  name!: string;

  @ApiPropertyOptional({ ...SCOPES_SCHEMA, default: DEFAULT_SCOPES, description: 'What the client may do' })
  @ValidateIf((_, value: unknown) => value !== undefined)
  @AreScopes()
  scopes?: ClientScope[];
}

export class ClientChangeDto {
  @ApiProperty({ ...SCOPES_SCHEMA, description: 'What the client may do from now on, and nothing else' })
  @AreScopes()
  scopes!: ClientScope[];
}

export class ClientDto {
  @ApiProperty({ format: 'uuid', example: '0f6c3c1e-8a51-4b6f-9a0e-6d2b8f3c7a11' })
  id!: string;

  @ApiProperty({
    format: 'uuid',
    description: 'The same as `id`',
    example: '0f6c3c1e-8a51-4b6f-9a0e-6d2b8f3c7a11',
  })
  client_id!: string;

  @ApiProperty({ example: 'billing' })
  name!: string;

  @ApiProperty({ ...SCOPES_SCHEMA, example: DEFAULT_SCOPES })
  scopes!: ClientScope[];

  @ApiProperty({ type: String, format: 'date-time' })
  created_at!: Date;

  @ApiProperty({ type: String, format: 'date-time', description: 'When the secret was created' })
  secret_at!: Date;

  @ApiProperty({ example: false })
  disabled!: boolean;
}

export class ClientWithSecretDto extends ClientDto {
  @ApiProperty({ example: 'tandem_cs_…', description: 'Shown only once' })
  client_secret!: string;
}

export class ClientsDto {
  @ApiProperty({ type: [ClientDto] })
  clients!: ClientDto[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor!: string | null;
}

/** The administrators' view of a client. */
export function clientView(client: OAuthClient) {
  return {
    id: client.id,
    client_id: client.id,
    name: client.name,
    scopes: client.scopes,
    created_at: client.createdAt,
    secret_at: client.secretAt,
    disabled: client.disabledAt !== null,
  };
}
