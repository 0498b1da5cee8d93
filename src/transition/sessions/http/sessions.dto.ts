import { ApiProperty } from '@nestjs/swagger';
import { IsString, MaxLength, MinLength } from 'class-validator';
import { UserDto } from '../../../api/api.dto.js';
import { CHECKED_PASSWORD_MAX_LENGTH, IsPassword } from '../../../users/password-policy.js';

export class SessionLoginDto {
  @ApiProperty({ example: 'test', maxLength: 256 })
  @MaxLength(256)
  @MinLength(1)
  @IsString()
  username!: string;

  @ApiProperty({ example: 'test123', maxLength: CHECKED_PASSWORD_MAX_LENGTH, format: 'password' })
  @IsPassword(CHECKED_PASSWORD_MAX_LENGTH)
  password!: string;
}

export class SessionUserDto {
  @ApiProperty({ type: UserDto })
  user!: UserDto;
}
