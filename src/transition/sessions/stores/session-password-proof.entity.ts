import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** When the password of a session was proved last. The row is removed when it is not fresh any more. */
@Entity('session_password_proofs')
export class SessionPasswordProof {
  @PrimaryColumn('varchar', { primaryKeyConstraintName: 'session_password_proofs_pkey' })
  sid!: string;

  @Index('session_password_proofs_proved_at_idx')
  @Column('timestamptz', { name: 'proved_at' })
  provedAt!: Date;
}
