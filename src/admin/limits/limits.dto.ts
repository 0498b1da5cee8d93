import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsIP, IsString, MaxLength } from 'class-validator';
import { PageQueryDto } from '../../common/http/pagination.js';
import { ADDRESS_BUCKETS, SUBJECT_BUCKETS } from '../../limits/bucket.js';
import type { BlockScope } from '../../limits/blocked/blocked-subjects.js';
import { IfGiven } from '../request-rules.js';

const KINDS = ['address', 'account'] as const;

const SCOPES = [
  ...ADDRESS_BUCKETS,
  ...SUBJECT_BUCKETS.filter((bucket) => bucket !== 'revocation_stream'),
  'failed_logins',
] as const;

export class BlockedQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ enum: KINDS })
  @IfGiven()
  @IsIn(KINDS)
  kind?: (typeof KINDS)[number];

  @ApiPropertyOptional({ description: 'The user with this name, in any letter case' })
  @IfGiven()
  @IsString()
  @MaxLength(256)
  username?: string;

  @ApiPropertyOptional({ description: 'This address, and the networks that it counts for' })
  @IfGiven()
  @IsIP()
  ip?: string;
}

export class BlockedScopeDto {
  @ApiProperty({
    enum: SCOPES,
    example: 'login',
    description:
      'What refuses the calls: the name in `RateLimit-Policy`, or `failed_logins` after 100 failures in a row',
  })
  scope!: BlockScope;

  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:46:00.000Z' })
  until!: string;
}

export class BlockedAddressDto {
  @ApiProperty({ example: '0f8fad5bd9cb469fa16570867728950e', description: 'For the release' })
  id!: string;

  @ApiProperty({ example: '203.0.113.7' })
  address!: string;
}

export class BlockedDto {
  @ApiProperty({
    example: '0f8fad5bd9cb469fa16570867728950e',
    description: 'For the release. Of an account: the id of the user',
  })
  id!: string;

  @ApiProperty({ enum: KINDS, example: 'address' })
  kind!: (typeof KINDS)[number];

  @ApiProperty({
    type: String,
    nullable: true,
    example: '203.0.113.7',
    description:
      'The address, or the /64, /56 or /48 of an IPv6 address. Of an account: the address that made the last call which counted',
  })
  address!: string | null;

  @ApiProperty({
    type: [BlockedAddressDto],
    description:
      'Of an account: the addresses and networks of its refused calls that are blocked too. The user gets 429 from there until they are ' +
      'released themselves. Empty for an address',
  })
  blocked_addresses!: readonly BlockedAddressDto[];

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    example: null,
    description: 'Null for an address, and for a name that no user has. Such a name is not stored',
  })
  user_id!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  username!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  external_id!: string | null;

  @ApiProperty({ type: [BlockedScopeDto] })
  scopes!: readonly BlockedScopeDto[];

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T09:46:00.000Z',
    description: 'When the last of them admits a call again',
  })
  until!: Date;
}

export class BlockedListDto {
  @ApiProperty({ type: [BlockedDto] })
  blocked!: readonly BlockedDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;
}
