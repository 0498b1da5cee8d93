import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsInt,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';
import { IsTimestamp } from '../common/instant.js';
import { maskSecrets } from '../common/text.js';
import { IsRole, ROLE_PATTERN } from '../common/role.js';
import { REVOCATION_REASONS } from '../tokens/families/refresh-token.entity.js';
import type { RevocationReason, TokenDelivery } from '../tokens/families/refresh-token.entity.js';
import type { Role } from '../common/role.js';
import type { BulkFilter } from './bulk-revocation.service.js';
import { timesOf } from './logins/login-filter.dto.js';
import { IsNetwork, toCanonicalNetwork } from './logins/network.js';
import { IfGiven, UUID } from './request-rules.js';

/** One line, for people. */
const NOTE = /^[^\p{Cc}]*\S[^\p{Cc}]*$/u;
const NOTE_MESSAGE = { message: '$property must be one line that is not blank' };

const IsNote = () =>
  applyDecorators(
    ApiPropertyOptional({
      maxLength: 500,
      example: 'Ticket 4711: stolen laptop',
      description: 'One line. Stored with what is revoked and in the audit trail',
    }),
    IfGiven(),
    Transform(({ value }: { value: unknown }) =>
      typeof value === 'string' ? maskSecrets(value, 1_000) : value,
    ),
    Matches(NOTE, NOTE_MESSAGE),
    MaxLength(500),
    IsString(),
  );

export class RevokeQueryDto {
  @IsNote()
  note?: string;
}

export class BulkRevokeDto {
  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    example: '2026-11-24T09:30:00Z',
    description:
      'Only logins before this time (RFC 3339, with a zone). A time in the future is treated as now.',
  })
  @IfGiven()
  @IsTimestamp()
  issued_before?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    description: 'Only logins at or after this time',
  })
  @IfGiven()
  @IsTimestamp()
  began_since?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    description: 'Only those used at or after this time',
  })
  @IfGiven()
  @IsTimestamp()
  used_since?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    description: 'Only those not used since this time',
  })
  @IfGiven()
  @IsTimestamp()
  used_before?: string;

  @ApiPropertyOptional({ pattern: ROLE_PATTERN, example: 'user' })
  @IfGiven()
  @IsRole()
  role?: Role;

  @ApiPropertyOptional({
    example: '192.0.2.0/24',
    description: 'The address of the last use, or a network in CIDR notation',
  })
  @IfGiven()
  @Transform(toCanonicalNetwork)
  @IsNetwork()
  ip?: string;

  @ApiPropertyOptional({
    maxLength: 256,
    example: 'Firefox',
    description: 'Part of the user agent of the last use, in any letter case',
  })
  @IfGiven()
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  user_agent?: string;

  @ApiPropertyOptional({
    type: [String],
    format: 'uuid',
    maxItems: 1000,
    example: ['5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10'],
  })
  @IfGiven()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(1000)
  @Matches(UUID, { each: true, message: '$property must be UUIDs' })
  user_ids?: string[];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 0,
    example: 250,
    description:
      'If the call would revoke more families and sessions than this, it is refused and revokes nothing',
  })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  expected_count?: number;

  @IsNote()
  note?: string;
}

/** The conditions of a bulk revocation. */
export function bulkFilterOf(body: BulkRevokeDto): BulkFilter {
  const { issued_before: began_before, role, ip, user_ids, user_agent } = body;
  const { began_since, used_since, used_before } = body;
  const times = timesOf({ began_since, began_before, used_since, used_before });
  return { ...times, role, ip, userIds: user_ids, userAgent: user_agent };
}

export class RevokerDto {
  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  id!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'root',
    description: 'Null for a service client, and for an administrator who was deleted',
  })
  username!: string | null;
}

export class TokenFamilyDto {
  @ApiProperty({
    format: 'uuid',
    example: '0b9f6c0e-8f1d-4f5e-9a53-0a6f0c3d2b11',
    description:
      'The `sid` claim of its access tokens. For a session, an id that reveals nothing about its cookie',
  })
  id!: string;

  @ApiProperty({ enum: ['bearer', 'session'], example: 'bearer' })
  scheme!: 'bearer' | 'session';

  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  user_id!: string;

  @ApiProperty({ example: 'grace' })
  username!: string;

  @ApiProperty({ type: String, nullable: true, example: 'legacy-4711' })
  external_id!: string | null;

  @ApiProperty({ pattern: ROLE_PATTERN, example: 'user', description: 'The role that the user has now' })
  role!: Role;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  created_at!: Date;

  @ApiProperty({
    type: String,
    format: 'date-time',
    example: '2026-11-24T09:45:00.000Z',
    description:
      'The time of the last refresh, or of the login. Of a session, the time of its last extension',
  })
  last_used_at!: Date;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-12-01T09:45:00.000Z' })
  expires_at!: Date;

  @ApiProperty({
    type: String,
    nullable: true,
    example: '192.0.2.7',
    description: 'The address of the last use',
  })
  ip!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'curl/8.5.0' })
  user_agent!: string | null;

  @ApiProperty({
    enum: ['body', 'cookie'],
    example: 'body',
    description: 'How the refresh token is delivered',
  })
  delivery!: TokenDelivery;

  @ApiProperty({ enum: ['active', 'expired', 'revoked'], example: 'active' })
  state!: 'active' | 'expired' | 'revoked';

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  revoked_at!: Date | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    enum: REVOCATION_REASONS,
  })
  revoke_reason!: RevocationReason | null;

  @ApiProperty({
    type: RevokerDto,
    nullable: true,
    example: null,
    description: 'The administrator or service client who revoked it; null if nobody else than the user did',
  })
  revoked_by!: RevokerDto | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'The note of the administrator who revoked it',
  })
  revoke_note!: string | null;

  @ApiProperty({
    example: false,
    description: 'Whether it comes from an exchange, so that a session may still be linked to it',
  })
  linked!: boolean;

  @ApiProperty({ example: false, description: 'Whether this request belongs to it' })
  current!: boolean;
}

export class TokenFamiliesDto {
  @ApiProperty({ type: [TokenFamilyDto] })
  tokens!: TokenFamilyDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: null,
    description:
      'How far the search has come, if the page is short because a full search would take too long. The next page continues there',
  })
  searched_to!: Date | null;
}

export class TokenCountDto {
  @ApiProperty({ type: 'integer', example: 10_000 })
  count!: number;

  @ApiProperty({ example: false, description: 'False: there are more' })
  exact!: boolean;
}
