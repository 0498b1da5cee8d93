import { ApiProperty } from '@nestjs/swagger';
import { ROLE_PATTERN } from '../common/role.js';
import type { Role } from '../common/role.js';

export class UserDto {
  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  id!: string;

  @ApiProperty({ example: 'test' })
  username!: string;

  @ApiProperty({ pattern: ROLE_PATTERN, example: 'user' })
  role!: Role;
}

export class MeDto extends UserDto {
  @ApiProperty({
    type: String,
    nullable: true,
    example: 'legacy-4711',
    description: 'The id of the user in your product; null if there is none',
  })
  external_id!: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  created_at!: Date;
}

export class UsersDto {
  @ApiProperty({ type: [UserDto] })
  users!: UserDto[];

  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page' })
  next_cursor!: string | null;
}
