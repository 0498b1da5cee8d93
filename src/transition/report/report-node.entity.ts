import { Column, Entity, PrimaryColumn } from 'typeorm';

/** The last batch that a node has written, so that one whose answer was lost is not added twice. */
@Entity('report_nodes')
export class ReportNode {
  /** Of the process; another one after a restart. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'report_nodes_pkey' })
  node!: string;

  @Column('integer')
  seq!: number;

  @Column('timestamptz')
  at!: Date;
}
