import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What a node, or a worker of a supervisor, says about itself every few seconds. The row goes when the node stops. */
@Entity('service_nodes')
export class ServiceNode {
  /** New at each start. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'service_nodes_pkey' })
  id!: string;

  @Column('text')
  host!: string;

  /** The number of the worker; null without a supervisor. */
  @Column('integer', { nullable: true })
  worker!: number | null;

  /** Workers that its supervisor runs; 1 without one. */
  @Column('integer')
  workers!: number;

  @Column('text')
  version!: string;

  @Column('timestamptz', { name: 'started_at' })
  startedAt!: Date;

  @Column('timestamptz', { name: 'seen_at' })
  seenAt!: Date;

  /** The needs that were not met. */
  @Column('text', { array: true })
  failing!: string[];

  /** How old its knowledge of revocations was. */
  @Column('integer', { name: 'knowledge_age_ms', nullable: true })
  knowledgeAgeMs!: number | null;

  @Column('integer', { name: 'propagation_p50_ms', nullable: true })
  propagationP50Ms!: number | null;

  @Column('integer', { name: 'propagation_p99_ms', nullable: true })
  propagationP99Ms!: number | null;

  @Column('integer', { name: 'propagation_samples' })
  propagationSamples!: number;
}
