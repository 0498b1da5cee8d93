import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsEmail, IsIn, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import { UserDto } from '../api/api.dto.js';
import type { UserChange } from '../auth/account/user-change.service.js';
import { PageQueryDto } from '../common/http/pagination.js';
import { DEFAULT_ROLE, IsRole, ROLE_PATTERN } from '../common/role.js';
import type { Role } from '../common/role.js';
import type { User } from '../users/user.entity.js';
import { EXTERNAL_ID_PATTERN, IsExternalId } from '../users/external-id.js';
import { IsPassword } from '../users/password-policy.js';
import { IfGiven } from './request-rules.js';
import { HASH_DESCRIPTION, MAX_HASH_LENGTH, requireOnePassword } from './users.dto.js';
import type { WantedUser } from './user-creation.service.js';

export class NewUserDto {
  @ApiProperty({ example: 'grace', maxLength: 128 })
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  username!: string;

  @ApiPropertyOptional({
    example: 'correct horse battery staple',
    maxLength: 256,
    format: 'password',
    description:
      'The password. Without it and without `password_hash`, the user cannot log in with a password',
  })
  @IfGiven()
  @IsPassword()
  password?: string;

  @ApiPropertyOptional({ maxLength: MAX_HASH_LENGTH, format: 'password', description: HASH_DESCRIPTION })
  @IfGiven()
  @MaxLength(MAX_HASH_LENGTH)
  @IsString()
  password_hash?: string;

  @ApiPropertyOptional({
    pattern: EXTERNAL_ID_PATTERN,
    example: 'legacy-4711',
    description: 'The id of the user in your product. A UUID becomes the id of the user too',
  })
  @IfGiven()
  @IsExternalId()
  external_id?: string;

  @ApiPropertyOptional({ pattern: ROLE_PATTERN, default: DEFAULT_ROLE, example: 'user' })
  @IsOptional()
  @IsRole()
  role?: Role;

  @ApiPropertyOptional({ format: 'email', example: 'grace@example.com' })
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string;
}

export class UserChangeDto {
  @ApiPropertyOptional({ pattern: ROLE_PATTERN, example: 'user' })
  @IfGiven()
  @IsRole()
  role?: Role;

  @ApiPropertyOptional({ example: true, description: 'A disabled user cannot log in' })
  @IfGiven()
  @IsBoolean()
  disabled?: boolean;

  @ApiPropertyOptional({
    type: String,
    format: 'email',
    nullable: true,
    example: 'grace@example.com',
    description: 'Null clears it',
  })
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string | null;

  @ApiPropertyOptional({
    type: String,
    pattern: EXTERNAL_ID_PATTERN,
    nullable: true,
    example: 'legacy-4711',
    description: "The id of the user in your product. A UUID must be the user's own id. Null clears it",
  })
  @IsOptional()
  @IsExternalId()
  external_id?: string | null;

  @ApiPropertyOptional({ example: 'correct horse battery staple', maxLength: 256, format: 'password' })
  @IfGiven()
  @IsPassword()
  password?: string;
}

/** The filter of the lists that name users. */
export const ApiExternalIdFilter = () =>
  ApiPropertyOptional({
    maxLength: 255,
    example: 'legacy-4711',
    description: 'Only the user with exactly this external id',
  });

export class AdminUsersQueryDto extends PageQueryDto {
  @ApiPropertyOptional({
    maxLength: 256,
    example: 'grace',
    description: 'Part of the username, email address or external id; case-insensitive',
  })
  @IsOptional()
  @IsString()
  @MaxLength(256)
  query?: string;

  @ApiExternalIdFilter()
  @IsOptional()
  @MaxLength(255)
  @IsString()
  external_id?: string;

  @ApiPropertyOptional({ pattern: ROLE_PATTERN, example: 'user' })
  @IfGiven()
  @IsRole()
  role?: Role;

  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: '`true`: only disabled users; `false`: only the others',
  })
  @IfGiven()
  @IsIn(['true', 'false'])
  disabled?: 'true' | 'false';
}

export class AdminUserDto extends UserDto {
  @ApiProperty({ type: String, nullable: true, example: 'grace@example.com' })
  email!: string | null;

  @ApiProperty({ example: false })
  disabled!: boolean;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'legacy-4711',
    description: 'The id of the user in your product',
  })
  external_id!: string | null;

  @ApiProperty({
    example: true,
    description: 'Whether a password is stored here. The product may know one for its users',
  })
  has_password!: boolean;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  created_at!: Date;
}

export class AdminUserDetailDto extends AdminUserDto {
  @ApiProperty({
    enum: ['local', 'product'],
    example: 'local',
    description: '`product`: the product controls the password, so that nobody can set one here',
  })
  source!: 'local' | 'product';
}

export class AdminUsersDto {
  @ApiProperty({ type: [AdminUserDto] })
  users!: AdminUserDto[];

  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page' })
  next_cursor!: string | null;
}

export class RevokedDto {
  @ApiProperty({
    example: 3,
    description: 'The number of live token families and unlinked sessions that were revoked',
  })
  revoked!: number;
}

/** The user that an administrator wants. Throws 400 `validation_failed` for two passwords. */
export function userOf({
  external_id: externalId,
  password_hash: passwordHash,
  ...body
}: NewUserDto): WantedUser {
  requireOnePassword({ ...body, ...(passwordHash !== undefined && { password_hash: passwordHash }) });
  return { ...body, externalId, passwordHash };
}

/** The change that an administrator asked for. */
export function changeOf({ external_id: externalId, ...change }: UserChangeDto): UserChange {
  return { ...change, externalId };
}

/** The administrators' view of a user. */
export function adminUserView(user: User): AdminUserDto {
  return {
    id: user.id,
    username: user.username,
    role: user.role,
    email: user.email,
    disabled: user.disabledAt !== null,
    external_id: user.externalId,
    has_password: user.passwordHash !== null,
    created_at: user.createdAt,
  };
}

/** Returns the view of a user, with the source of the password. */
export function adminUserDetail(user: User, source: AdminUserDetailDto['source']): AdminUserDetailDto {
  return Object.assign(adminUserView(user), { source });
}
