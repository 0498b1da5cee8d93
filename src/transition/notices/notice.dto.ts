import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { PHASES } from '../rollout/rollout-state.js';
import type { Phase } from '../rollout/rollout-state.js';
import { DEFAULT_SUBJECT, DEFAULT_TEXT, TEMPLATE_FIELDS } from './notice-template.js';

const FIELDS = `Fields: ${TEMPLATE_FIELDS.map((name) => `\`{{${name}}}\``).join(', ')}.`;

export class NewNoticeDto {
  @ApiPropertyOptional({
    minimum: 1,
    maximum: 90,
    default: 30,
    description: 'The notice goes to users who used a session in so many days',
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(90)
  days?: number;

  @ApiPropertyOptional({ maxLength: 200, description: `One line. ${FIELDS}`, example: DEFAULT_SUBJECT })
  @IsOptional()
  @Matches(/^[^\p{Cc}]*\S[^\p{Cc}]*$/u, { message: 'subject must be one line that is not blank' })
  @MaxLength(200)
  @IsString()
  subject?: string;

  @ApiPropertyOptional({ maxLength: 10_000, description: `Plain text. ${FIELDS}`, example: DEFAULT_TEXT })
  @IsOptional()
  @Matches(/\S/, { message: 'text must not be blank' })
  @MaxLength(10_000)
  @IsString()
  text?: string;
}

export class QueuedNoticeDto {
  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  id!: string;

  @ApiProperty({ example: 1250, description: 'Number of mails' })
  queued!: number;
}

export class NoticeDto extends QueuedNoticeDto {
  @ApiProperty({ example: 850, description: 'Mails that are not sent yet' })
  pending!: number;

  @ApiProperty({ example: 392, description: 'Accepted by the mail server' })
  sent!: number;

  @ApiProperty({
    example: 0,
    description: 'Sent mails for which the answer of the mail server was lost',
  })
  unconfirmed!: number;

  @ApiProperty({ example: 8, description: 'Permanently refused by the mail server' })
  failed!: number;

  @ApiProperty({ example: 30 })
  days!: number;

  @ApiProperty({ example: DEFAULT_SUBJECT })
  subject!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  sunset_at!: Date | null;

  @ApiProperty({ type: String, format: 'date-time' })
  created_at!: Date;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When no mail was pending any more',
  })
  finished_at!: Date | null;
}

export class NoticesDto {
  @ApiProperty({ type: [NoticeDto] })
  notices!: NoticeDto[];

  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page' })
  next_cursor!: string | null;
}

export class BannerDto {
  @ApiProperty({
    example: true,
    description:
      'Whether to show the banner to this caller: true for session users from `deprecation_notice` on',
  })
  show!: boolean;

  @ApiProperty({
    example:
      'Your current sign-in method stops working on 3 February 2031. Please switch to the new one before then.',
  })
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
    description: 'Whether the user of this session may move to tokens now. Absent without a session',
  })
  eligible?: boolean;
}
