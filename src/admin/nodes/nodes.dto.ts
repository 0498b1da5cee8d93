import { ApiProperty } from '@nestjs/swagger';

const STATES = ['ready', 'not_ready', 'silent'] as const;

export class PropagationDto {
  @ApiProperty({ type: 'integer', nullable: true, example: 9 })
  p50_ms!: number | null;

  @ApiProperty({ type: 'integer', nullable: true, example: 41 })
  p99_ms!: number | null;

  @ApiProperty({
    type: 'integer',
    example: 312,
    description: 'Measured polls. Without one, both times are null',
  })
  samples!: number;
}

export class NodeDto {
  @ApiProperty({ format: 'uuid', example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10' })
  id!: string;

  @ApiProperty({ example: 'auth-1' })
  host!: string;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 1,
    description: 'The number of the worker; null without a supervisor',
  })
  worker!: number | null;

  @ApiProperty({ type: 'integer', example: 4, description: 'The workers that its supervisor runs' })
  workers!: number;

  @ApiProperty({ example: '2.4.0' })
  version!: string;

  @ApiProperty({
    enum: STATES,
    example: 'ready',
    description:
      '`silent`: it has not reported for 15 seconds. It was killed, or it does not reach the database',
  })
  state!: (typeof STATES)[number];

  @ApiProperty({
    type: [String],
    example: [],
    description: 'Why it is not ready: `revocation_feed`, `signing_key` or `stopping`',
  })
  failing!: readonly string[];

  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  started_at!: Date;

  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:45:00.000Z', description: 'Its last report' })
  seen_at!: Date;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 120,
    description:
      'How old its knowledge of revocations was at its last report, in milliseconds. From 800 on, it accepts no token',
  })
  knowledge_age_ms!: number | null;

  @ApiProperty({
    description:
      'How long revocations of the last 15 minutes took from being written until this node refused what they revoke',
  })
  propagation!: PropagationDto;

  @ApiProperty({ example: false, description: 'Whether this node has answered' })
  current!: boolean;
}

export class NodesDto {
  @ApiProperty({ type: [NodeDto] })
  nodes!: readonly NodeDto[];
}

export class DoctorFindingDto {
  @ApiProperty({ example: 'keys' })
  check!: string;

  @ApiProperty({ enum: ['ok', 'warn', 'fail'], example: 'ok' })
  level!: 'ok' | 'warn' | 'fail';

  @ApiProperty({ example: 'there is an active administrator' })
  message!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: null,
    description: 'What to do; null if nothing needs to be done',
  })
  advice!: string | null;
}

export class DiagnosisDto {
  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:45:00.000Z' })
  checked_at!: Date;

  @ApiProperty({ example: true, description: 'Whether no check has failed' })
  ok!: boolean;

  @ApiProperty({ type: [DoctorFindingDto] })
  findings!: readonly DoctorFindingDto[];
}
