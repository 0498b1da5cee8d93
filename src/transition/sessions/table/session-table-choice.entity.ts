import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The name of the session table, in one row. */
@Entity('session_table_choice')
@Check('session_table_choice_one_row', 'id = 1')
export class SessionTableChoice {
  @PrimaryColumn('smallint', { default: 1, primaryKeyConstraintName: 'session_table_choice_pkey' })
  id!: number;

  /** The table that is used if SESSION_TABLE is unset: schema and name, quoted. Null if the first start found none that it may use. */
  @Column('text', { nullable: true })
  chosen!: string | null;

  /** The table of the last start. */
  @Column('text', { nullable: true })
  used!: string | null;
}
