/** The file as a whole cannot be imported; nothing was written. The message is for the person who has it. */
export class ImportRefused extends Error {
  override readonly name = 'ImportRefused';
}

/** One row cannot be imported. The message says why, and quotes nothing of the row: it may hold secrets in any column. */
export class RowRefused extends Error {
  override readonly name = 'RowRefused';
}
