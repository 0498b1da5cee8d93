export type Filters = Readonly<Record<string, string>>;

/** A filter of a list. Its value is in the address. */
export interface FilterField {
  readonly name: string;
  readonly label: string;
  readonly kind: 'text' | 'time' | 'choice';
  readonly placeholder?: string;
  /** The options of a choice. */
  readonly options?: readonly (readonly [value: string, label: string])[];
}

/** The filters in an address that a list knows. */
export function knownFilters(filters: Filters, fields: readonly FilterField[]): Filters {
  const names = new Set(fields.map(({ name }) => name));
  return Object.fromEntries(Object.entries(filters).filter(([name]) => names.has(name)));
}

/** The value of a local input for a time with a zone; empty for anything else. */
export function localTime(instant: string): string {
  const time = new Date(instant);
  if (instant === '' || Number.isNaN(time.getTime())) return '';
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** The time with a zone for a value of a local input. */
export function instantOf(local: string): string {
  const time = new Date(local);
  return local === '' || Number.isNaN(time.getTime()) ? '' : time.toISOString();
}
