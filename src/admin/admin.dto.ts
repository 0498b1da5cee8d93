import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsEmail, IsIn, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import { UserDto } from '../api/api.dto.js';
import type { Role } from '../users/user.entity.js';
import { IsPassword } from '../users/is-password.decorator.js';

export class NewUserDto {
  @ApiProperty({ example: 'grace', maxLength: 128 })
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  username!: string;

  @ApiProperty({ example: 'correct horse battery staple', maxLength: 256, format: 'password' })
  @IsPassword()
  password!: string;

  @ApiPropertyOptional({ enum: ['user', 'admin'], default: 'user' })
  @IsOptional()
  @IsIn(['user', 'admin'])
  role?: Role;

  @ApiPropertyOptional({ format: 'email', example: 'grace@example.com' })
  @IsOptional()
  @IsEmail()
  @MaxLength(254)
  email?: string;
}

export class AdminUserDto extends UserDto {
  @ApiProperty({ type: String, nullable: true, example: 'grace@example.com' })
  email!: string | null;

  @ApiProperty({ example: false })
  disabled!: boolean;

  @ApiProperty({ type: String, nullable: true, description: 'What the user was called before' })
  external_id!: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  created_at!: Date;
}

export class RevokedDto {
  @ApiProperty({ example: 3, description: 'How many live logins ended' })
  revoked!: number;
}
