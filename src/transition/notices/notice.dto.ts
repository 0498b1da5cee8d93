import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { PageQueryDto } from '../../common/http/pagination.js';
import { PHASES } from '../rollout/rollout-state.js';
import type { Phase } from '../rollout/rollout-state.js';
import { DEFAULT_SUBJECT, DEFAULT_TEXT, TEMPLATE_FIELDS } from './notice-template.js';

const FIELDS = `Fields: ${TEMPLATE_FIELDS.map((name) => `\`{{${name}}}\``).join(', ')}.`;

const toBoolean = ({ value }: { value: unknown }): unknown =>
  value === 'true' ? true : value === 'false' ? false : value;

/** `dry_run` is also accepted here, because the plan of the autopilot takes it here: a dry run must never send mail. */
export class NoticeQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ type: Boolean, default: false, description: 'The same as `dry_run` in the body' })
  @IsOptional()
  @Transform(toBoolean)
  @IsIn([true, false], { message: 'dry_run must be true or false' })
  dry_run?: boolean;
}

export class NewNoticeDto {
  @ApiPropertyOptional({
    minimum: 1,
    maximum: 90,
    default: 30,
    description: 'The notice goes to users who used a session in this number of days and are not on tokens',
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

  @ApiPropertyOptional({ default: false, description: 'Answers with the recipients, and sends nothing' })
  @IsOptional()
  @IsBoolean()
  dry_run?: boolean;
}

export class RecipientDto {
  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  user_id!: string;

  @ApiProperty({ example: 'grace' })
  username!: string;

  @ApiProperty({ example: 'grace@example.com' })
  email!: string;

  @ApiProperty({ example: 'curl/8.5.0', description: 'The program that used a session last' })
  user_agent!: string;

  @ApiProperty({ type: String, format: 'date-time' })
  last_seen!: Date;
}

export class NoticePreviewDto {
  @ApiProperty({ example: 1250, description: 'Number of recipients, on all pages' })
  count!: number;

  @ApiProperty({ type: [RecipientDto], description: 'Ordered by the id of the user' })
  recipients!: readonly RecipientDto[];

  @ApiProperty({ type: String, nullable: true, description: 'Null on the last page' })
  next_cursor!: string | null;
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
      'The way you sign in will change on 3 February 2031. Please sign out and sign in again before then, or you will be signed out.',
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
