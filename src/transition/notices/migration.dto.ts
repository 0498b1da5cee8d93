import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { PHASES } from '../rollout/rollout-state.js';
import type { Phase } from '../rollout/rollout-state.js';

export class BannerDto {
  @ApiProperty({
    example: true,
    description: 'Whether to tell this caller: session users, from the notice on',
  })
  show!: boolean;

  @ApiProperty({ example: 'The way you are signed in here ends on 3 February 2031.' })
  message!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  sunset_at!: string | null;

  @ApiProperty({ format: 'uri', example: 'https://api.example.com/transition/guide' })
  guide_url!: string;
}

export class MigrationDto {
  @ApiProperty({ enum: PHASES, example: 'deprecation_notice' })
  phase!: Phase;

  @ApiProperty({ type: BannerDto })
  banner!: BannerDto;

  @ApiPropertyOptional({
    example: true,
    description: 'Whether the user of this session may move to tokens now; left out without a session',
  })
  eligible?: boolean;
}
