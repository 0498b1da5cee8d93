import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import type { TokenDelivery } from '../tokens/families/refresh-token.entity.js';
import { CHECKED_PASSWORD_MAX_LENGTH, IsPassword } from '../users/password-policy.js';

export class TokenDeliveryDto {
  @ApiPropertyOptional({
    enum: ['body', 'cookie'],
    default: 'body',
    description: '`cookie`: the refresh token is only in an HttpOnly cookie, which scripts cannot read',
  })
  @IsOptional()
  @IsIn(['body', 'cookie'])
  token_delivery?: TokenDelivery;
}

export class LoginDto extends TokenDeliveryDto {
  @ApiProperty({ example: 'test', maxLength: 256 })
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  username!: string;

  @ApiProperty({ example: 'test123', maxLength: CHECKED_PASSWORD_MAX_LENGTH, format: 'password' })
  @IsPassword(CHECKED_PASSWORD_MAX_LENGTH)
  password!: string;

  @ApiPropertyOptional({
    description:
      'A refresh token of an earlier login on this device, for clients without cookies. Then failed logins elsewhere do not lock ' +
      'the user out on this device. The token stays valid.',
    example: 'tandem_rt_…',
  })
  @IsOptional()
  @MaxLength(512)
  @MinLength(1)
  @IsString()
  refresh_token?: string | null;
}

export class RefreshDto {
  @ApiPropertyOptional({
    description: 'Default: the cookie `refresh_token`',
    example: 'tandem_rt_…',
  })
  @IsOptional()
  @MaxLength(512)
  @MinLength(1)
  @IsString()
  refresh_token?: string;
}

export class ReauthenticationDto {
  @ApiProperty({ example: 'test123', maxLength: CHECKED_PASSWORD_MAX_LENGTH, format: 'password' })
  @IsPassword(CHECKED_PASSWORD_MAX_LENGTH)
  password!: string;
}

export class PasswordDto {
  @ApiProperty({ example: 'test123', maxLength: CHECKED_PASSWORD_MAX_LENGTH, format: 'password' })
  @IsPassword(CHECKED_PASSWORD_MAX_LENGTH)
  current_password!: string;

  @ApiProperty({ example: 'correct horse battery staple', maxLength: 256, format: 'password' })
  @IsPassword()
  new_password!: string;
}

/** The tokens of a login or refresh, as RFC 6749 defines them in section 5.1. */
export class TokensDto {
  @ApiProperty({ example: 'eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6Ii4uLiJ9…' })
  access_token!: string;

  @ApiPropertyOptional({ example: 'tandem_rt_…', description: 'Absent with `token_delivery: "cookie"`' })
  refresh_token?: string;

  @ApiProperty({ example: 'Bearer', enum: ['Bearer'] })
  token_type!: 'Bearer';

  @ApiProperty({ example: 900, description: 'Lifetime of the access token in seconds' })
  expires_in!: number;
}

export class DeviceDto {
  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  id!: string;

  @ApiProperty({ enum: ['bearer', 'session'], example: 'bearer' })
  scheme!: 'bearer' | 'session';

  @ApiProperty({
    type: String,
    format: 'date-time',
    description: 'The time of the login. For a session, which may be older, the same as `last_used_at`',
  })
  created_at!: Date;

  @ApiProperty({
    type: String,
    format: 'date-time',
    description: 'For a session, the time at which its expiry was last extended',
  })
  last_used_at!: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  expires_at!: Date;

  @ApiProperty({ type: String, nullable: true, example: '192.0.2.7', description: 'Null for a session' })
  ip!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'curl/8.5.0', description: 'Null for a session' })
  user_agent!: string | null;

  @ApiProperty({ example: true, description: 'Whether it is the device that makes this call' })
  current!: boolean;
}

export class DevicesDto {
  @ApiProperty({ type: [DeviceDto] })
  devices!: DeviceDto[];
}
