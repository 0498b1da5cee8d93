import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import { IsInstant } from '../../common/instant.js';
import { PageQueryDto } from '../../common/http/pagination.js';
import { IsRole, ROLE_PATTERN } from '../../common/role.js';
import type { Role } from '../../common/role.js';
import { FAMILY_STATES } from '../../tokens/families/family-filter.js';
import type { FamilyFilter, FamilyState } from '../../tokens/families/family-filter.js';
import { REVOCATION_REASONS } from '../../tokens/families/refresh-token.entity.js';
import type { RevocationReason } from '../../tokens/families/refresh-token.entity.js';
import { ApiExternalIdFilter } from '../admin.dto.js';
import { IfGiven, UUID_MESSAGE, UUID } from '../request-rules.js';
import { IsNetwork, toCanonicalNetwork } from './network.js';

const ApiInstant = (description: string) =>
  ApiPropertyOptional({ type: String, format: 'date-time', example: '2026-11-24T09:30:00Z', description });

/** The filter of a list or count of logins. All given conditions must hold. */
export class LoginFilterDto {
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
    maxLength: 256,
    example: 'grace',
    description: 'Only the user with this name, in any letter case',
  })
  @IfGiven()
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  username?: string;

  @ApiPropertyOptional({
    example: '192.0.2.0/24',
    description: 'The address of the last use, IPv4 or IPv6 in any notation, or a network in CIDR notation',
  })
  @IsOptional()
  @Transform(toCanonicalNetwork)
  @IsNetwork()
  ip?: string;

  @ApiPropertyOptional({ enum: FAMILY_STATES, description: '`ended`: expired or revoked' })
  @IfGiven()
  @IsIn(FAMILY_STATES)
  state?: FamilyState;

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: '`true`: the same as the state `active`; `false`: the same as `ended`',
  })
  @IsOptional()
  @IsIn(['true', 'false'])
  active?: 'true' | 'false';

  @ApiInstant('Only logins at or after this time: a date (in UTC), or a time with a zone')
  @IfGiven()
  @IsInstant()
  began_since?: string;

  @ApiInstant('Only logins before this time')
  @IfGiven()
  @IsInstant()
  began_before?: string;

  @ApiInstant('Only those used at or after this time')
  @IfGiven()
  @IsInstant()
  used_since?: string;

  @ApiInstant('Only those not used since this time')
  @IfGiven()
  @IsInstant()
  used_before?: string;

  @ApiPropertyOptional({
    pattern: ROLE_PATTERN,
    example: 'user',
    description: 'The role that the user has now',
  })
  @IfGiven()
  @IsRole()
  role?: Role;

  @ApiPropertyOptional({ enum: REVOCATION_REASONS, example: 'reuse' })
  @IfGiven()
  @IsIn(REVOCATION_REASONS)
  reason?: RevocationReason;

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
    enum: ['bearer', 'session', 'all'],
    default: 'bearer',
    description:
      'Token families, live sessions, or both. A session that is linked to a family is part of that family. Sessions have no known ' +
      'address, user agent, beginning or reason, so these filters leave them out',
  })
  @IsOptional()
  @IsIn(['bearer', 'session', 'all'])
  scheme?: 'bearer' | 'session' | 'all';
}

export class TokensQueryDto extends IntersectionType(PageQueryDto, LoginFilterDto) {}

export class TokenCountQueryDto extends LoginFilterDto {
  @ApiPropertyOptional({
    enum: ['true', 'false'],
    default: 'false',
    description: '`true`: counts all, which may take seconds',
  })
  @IfGiven()
  @IsIn(['true', 'false'])
  exact?: 'true' | 'false';
}

/** The conditions on token families. Throws nothing: the query is valid. */
export function familyFilterOf(query: LoginFilterDto): FamilyFilter {
  const { user_id, external_id, username, ip, role, reason, user_agent } = query;
  return {
    userIds: user_id === undefined ? undefined : [user_id],
    externalId: external_id,
    username,
    ip,
    role,
    reason,
    userAgent: user_agent,
    state: query.state,
    ...timesOf(query),
  };
}

/** The conditions on times. */
export function timesOf({
  began_since,
  began_before,
  used_since,
  used_before,
}: Pick<LoginFilterDto, 'began_since' | 'began_before' | 'used_since' | 'used_before'>) {
  const time = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return {
    issuedSince: time(began_since),
    issuedBefore: time(began_before),
    usedSince: time(used_since),
    usedBefore: time(used_before),
  };
}
