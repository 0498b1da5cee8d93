/** The details of an event in one line: `percentage 5 → 10, note "stolen phone"`. */
export function detailOf(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .map(([name, value]) =>
      isGroup(value) ? detailOf(value) : `${name.replaceAll('_', ' ')} ${valueOf(value)}`,
    )
    .filter((text) => text !== '')
    .join(', ');
}

function valueOf(value: unknown): string {
  if (typeof value === 'string') return /[\s,]/.test(value) ? `“${value}”` : value;
  if (isChange(value)) return `${valueOf(value.from)} → ${valueOf(value.to)}`;
  return JSON.stringify(value) ?? '';
}

function isChange(value: unknown): value is { from: unknown; to: unknown } {
  return typeof value === 'object' && value !== null && 'from' in value && 'to' in value;
}

/** An object of details, such as the changes of a rollout. */
function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isChange(value);
}
