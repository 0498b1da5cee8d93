import { isIP } from 'node:net';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIP,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
} from 'class-validator';
import { IsTimestamp } from '../common/instant.js';
import { IsRole, ROLE_PATTERN } from '../common/role.js';
import { PageQueryDto } from '../common/pagination.js';
import { canonicalAddress } from '../limits/client-address.js';
import type { RevocationReason, TokenDelivery } from '../tokens/families/refresh-token.entity.js';
import type { Role } from '../common/role.js';
import { ApiExternalIdFilter } from './admin.dto.js';
import { IfGiven, UUID_MESSAGE, UUID } from './request-rules.js';

/** Addresses are stored in canonical form, so a filter is converted to it. */
const toCanonicalAddress = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && isIP(value) !== 0 ? canonicalAddress(value) : value;

export class TokensQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  @IsOptional()
  @Matches(UUID, UUID_MESSAGE)
  user_id?: string;

  @ApiExternalIdFilter()
  @IsOptional()
  @MaxLength(255)
  @IsString()
  external_id?: string;

  @ApiPropertyOptional({
    example: '192.0.2.7',
    description: 'The address of the last use, IPv4 or IPv6 in any notation',
  })
  @IsOptional()
  @Transform(toCanonicalAddress)
  @IsIP()
  ip?: string;

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: '`true`: only live families; `false`: only expired and revoked ones',
  })
  @IsOptional()
  @IsIn(['true', 'false'])
  active?: 'true' | 'false';

  @ApiPropertyOptional({
    enum: ['bearer', 'session', 'all'],
    default: 'bearer',
    description:
      'Token families, live sessions, or both. A session that is linked to a family is part of that family',
  })
  @IsOptional()
  @IsIn(['bearer', 'session', 'all'])
  scheme?: 'bearer' | 'session' | 'all';
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

  @ApiPropertyOptional({ pattern: ROLE_PATTERN, example: 'user' })
  @IfGiven()
  @IsRole()
  role?: Role;

  @ApiPropertyOptional({ example: '192.0.2.7', description: 'The address of the last use' })
  @IfGiven()
  @Transform(toCanonicalAddress)
  @IsIP()
  ip?: string;

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
    description: 'If more families and sessions than this would end, the call is refused and revokes nobody',
  })
  @IfGiven()
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  expected_count?: number;
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
    enum: ['logout', 'revoke', 'reuse', 'password', 'disable', 'downgrade'],
  })
  revoke_reason!: RevocationReason | null;
}

export class TokenFamiliesDto {
  @ApiProperty({ type: [TokenFamilyDto] })
  tokens!: TokenFamilyDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;
}
