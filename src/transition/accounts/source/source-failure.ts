import { TransientError, sqlStateOf } from '../../../common/transient-error.js';

/** Why the users source gave no usable answer. The doctor shows the cause, the log too. */
export type SourceFault =
  | 'no answer in time'
  | 'too many queries are waiting'
  | 'the query failed'
  | 'the query returned two rows'
  | 'the row has more than 64 KiB'
  | 'the row has no external_id, or one that is not valid'
  | 'the row has another external_id than the one asked for'
  | 'a column has its name in capitals'
  | 'username is not a text'
  | 'password_hash is not a text'
  | 'email is not a text'
  | 'role is not the name of a role'
  | 'disabled is not true or false'
  | 'password_changed_at is not a time'
  | 'the external_id is the id of a local user'
  | 'the query by id does not find a user whom the query by name finds'
  | 'too many users are missing';

/** The source gave no usable answer: 503, and nothing ends. Contains no data of the source. */
export class SourceFailure extends TransientError {
  override readonly name = 'SourceFailure';

  constructor(
    readonly fault: SourceFault,
    options?: ErrorOptions,
  ) {
    super(`users source: ${fault}`, options);
  }

  /** The query cannot take the value of `$1`, such as a word for an integer. */
  get isUnfitValue(): boolean {
    return /^22(?:003|P02)$/.test(sqlStateOf(this.cause) ?? '');
  }
}
