import { qualifiedName, shownName } from './table-name.js';

/** The table that holds the sessions: Tandem's own or one of a product. It is found once, at the start. */
export class SessionTable {
  /** For SQL: with the schema, and quoted. */
  readonly qualifiedName: string;
  /** For messages. */
  readonly shown: string;

  /**
   * `isOwn`: Tandem has made it. Tandem creates nothing on any other table by itself. `isRecord`: the sessions are in a store outside of the
   * database, and the table holds what Tandem has seen of them.
   */
  constructor(
    schema: string,
    name: string,
    readonly isOwn: boolean,
    readonly isRecord = false,
  ) {
    this.qualifiedName = qualifiedName(schema, name);
    this.shown = shownName({ schema, name });
  }
}
