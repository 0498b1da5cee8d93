/** A command could not do what it was asked to. The message is for the person who typed it; exit code 1. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}
