/** The id of an event: a position in the feed of one incarnation of the service's database. */
export interface Position {
  readonly incarnation: string;
  readonly position: number;
}

const INCARNATION_FIRST = /^(.+)[:.@/](\d{1,15})$/;
const POSITION_FIRST = /^(\d{1,15})[:.@/](.+)$/;

/** Parses the id of an event; undefined for an id of another form, which is only repeated in `Last-Event-ID`. */
export function readPosition(id: string): Position | undefined {
  const [, incarnation, last] = INCARNATION_FIRST.exec(id) ?? [];
  if (incarnation !== undefined) return { incarnation, position: Number(last) };
  const [, first, other] = POSITION_FIRST.exec(id) ?? [];
  return other === undefined ? undefined : { incarnation: other, position: Number(first) };
}
