import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The id under which an administrator was shown a session. The row is removed a week after it was shown last. */
@Entity('session_handles')
export class SessionHandle {
  /** What `SessionIds` derives from the session's own id. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'session_handles_pkey' })
  id!: string;

  @Column('varchar')
  sid!: string;

  @Index('session_handles_listed_at_idx')
  @Column('timestamptz', { name: 'listed_at' })
  listedAt!: Date;
}
