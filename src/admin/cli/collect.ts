/** What a list shows unless it is told. */
export const DEFAULT_SHOWN = 50;

/** The most that a list shows; more is for exports. */
export const MAX_SHOWN = 100_000;

/** Entries that are asked for at a time. */
const PAGE = 100;

/** The first `limit` entries of a paged list, and where the next would begin. */
export async function collect<Entry>(
  limit: number,
  cursor: string | undefined,
  page: (
    limit: number,
    cursor?: string,
  ) => Promise<{ entries: readonly Entry[]; next_cursor: string | null }>,
): Promise<{ entries: Entry[]; next_cursor: string | null }> {
  const all: Entry[] = [];
  let next: string | null | undefined = cursor;
  do {
    const { entries, next_cursor } = await page(Math.min(PAGE, limit - all.length), next);
    all.push(...entries);
    next = next_cursor;
  } while (next !== null && all.length < limit);
  return { entries: all, next_cursor: next };
}
