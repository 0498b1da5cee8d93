import { ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsBoolean,
  IsEmail,
  IsInt,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';
import { refuse } from '../common/common.errors.js';
import { IsRole, ROLE_PATTERN } from '../common/role.js';
import type { Role } from '../common/role.js';
import { IsPassword } from '../users/password-policy.js';
import { IfGiven } from './request-rules.js';

/** The length of the longest supported hash. */
export const MAX_HASH_LENGTH = 1_024;

export const HASH_DESCRIPTION =
  'A password hash of the product, in a format that the import supports. Not together with `password`';

/** The state of a user as the product wants it. An absent field stays as it is, null clears a field. */
export class UpsertDto {
  @ApiPropertyOptional({ example: 'grace', maxLength: 128, description: 'Needed for a new user' })
  @IfGiven()
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  username?: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    format: 'password',
    maxLength: MAX_HASH_LENGTH,
    description: `${HASH_DESCRIPTION}. Null: the user cannot log in with a password`,
    example: '$2b$10$7EqJtq98hPqEX7fNZaFWoOhi5B4R3eP7y1u4y9h4pWgJQ1l8Yc0bG',
  })
  @IsOptional()
  @MaxLength(MAX_HASH_LENGTH)
  @IsString()
  password_hash?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    format: 'password',
    maxLength: 256,
    description: 'Null: the user cannot log in with a password',
  })
  @IsOptional()
  @IsPassword()
  password?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true, format: 'email', example: 'grace@example.com' })
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    pattern: ROLE_PATTERN,
    example: 'user',
    description: 'The role of administrators becomes `user`, unless USERS_SOURCE_MAY_MAKE_ADMINS permits it',
  })
  @IsOptional()
  @IsRole()
  role?: Role | null;

  @ApiPropertyOptional({ type: Boolean, nullable: true, example: false })
  @IsOptional()
  @IsBoolean()
  disabled?: boolean | null;

  @ApiPropertyOptional({
    type: 'integer',
    nullable: true,
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    example: 7,
    description:
      'A number that rises with each change in the product. A lower one than the last gets 409 `stale_version`',
  })
  @IsOptional()
  @Max(Number.MAX_SAFE_INTEGER)
  @Min(0)
  @IsInt()
  version?: number | null;
}

/** Throws 400 `validation_failed` if both password fields are present, even if one of them is null. */
export function requireOnePassword(body: {
  readonly password?: string | null;
  readonly password_hash?: string | null;
}): void {
  if (body.password === undefined || body.password_hash === undefined) return;
  const message = 'password_hash must not be sent together with password';
  throw refuse('validation_failed', { errors: [{ field: 'password_hash', message }] });
}
