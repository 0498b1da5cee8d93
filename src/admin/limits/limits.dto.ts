import { isIP } from 'node:net';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIP, Matches } from 'class-validator';
import { refuse } from '../../common/common.errors.js';
import { canonicalAddress } from '../../limits/client-address.js';
import { IfGiven, UUID, UUID_MESSAGE } from '../request-rules.js';
import type { LimitState } from './limit-inspection.service.js';

const toCanonicalAddress = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && isIP(value) !== 0 ? canonicalAddress(value) : value;

/** Exactly one of the fields. */
export class LimitsQueryDto {
  @ApiPropertyOptional({ example: '192.0.2.7', description: 'An address, IPv4 or IPv6 in any notation' })
  @IfGiven()
  @Transform(toCanonicalAddress)
  @IsIP()
  ip?: string;

  @ApiPropertyOptional({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  @IfGiven()
  @Matches(UUID, UUID_MESSAGE)
  user_id?: string;
}

export class LimitDto {
  @ApiProperty({
    example: 'login',
    description:
      'The limited call. `account`: logins of a user from unknown devices. `login_failures`: consecutive failed logins of a user',
  })
  bucket!: string;

  @ApiProperty({
    example: '192.0.2.7',
    description: 'The address, one of its networks, or the name of the user',
  })
  subject!: string;

  @ApiProperty({ type: 'integer', example: 10 })
  used!: number;

  @ApiProperty({ type: 'integer', example: 10 })
  limit!: number;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: '2026-11-24T09:31:00.000Z',
    description: 'When the next call is admitted; null if one is admitted now',
  })
  blocked_until!: Date | null;
}

export class LimitsDto {
  @ApiProperty({ type: [LimitDto], description: 'Limits that have counted a call which still counts' })
  limits!: LimitState[];
}

/** Throws 400 `validation_failed` unless there is exactly one field. */
export function requireOneSubject({ ip, user_id }: LimitsQueryDto): void {
  if ((ip === undefined) !== (user_id === undefined)) return;
  const message = 'exactly one of ip, user_id is required';
  throw refuse('validation_failed', { errors: [{ field: 'query', message }] });
}
