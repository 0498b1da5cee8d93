import type { ReactNode } from 'react';
import type { Pages } from '../api/queries.js';
import { ErrorNotice, Empty, Loading } from './notice.js';
import { When } from './bits.js';
import { clock } from './times.js';

interface ListProps<P, T> {
  readonly pages: Pages<P>;
  readonly rows: readonly T[];
  /** What the list shows when nothing matches. */
  readonly empty: ReactNode;
  readonly onClearFilters?: (() => void) | undefined;
  readonly children: (rows: readonly T[]) => ReactNode;
}

/** The states of a list: it loads, failed, is empty, or has rows. After a failure the old rows stay. */
export function List<
  P extends { readonly next_cursor: string | null; readonly searched_to?: string | null },
  T,
>({ pages, rows, empty, onClearFilters, children }: ListProps<P, T>) {
  const { data, error, dataUpdatedAt, isPlaceholderData, hasNextPage, isFetchingNextPage } = pages;
  const retry = () => void pages.refetch();
  if (error !== null && (data === undefined || !error.isTemporary)) {
    return (
      <ErrorNotice error={error} onRetry={retry} retries={error.isTemporary}>
        {error.status === 400 && onClearFilters !== undefined && (
          <button type="button" onClick={onClearFilters}>
            Clear filters
          </button>
        )}
      </ErrorNotice>
    );
  }
  if (data === undefined) return <Loading />;
  const searchedTo = data.pages.at(-1)?.searched_to;
  return (
    <div className={isPlaceholderData ? 'list stale' : 'list'} aria-busy={isPlaceholderData}>
      {error !== null && (
        <ErrorNotice error={error} onRetry={retry} retries>
          <p>The list shows what was known at {clock(dataUpdatedAt)}.</p>
        </ErrorNotice>
      )}
      {rows.length === 0 && !hasNextPage ? empty : rows.length > 0 && children(rows)}
      {hasNextPage && (
        <div className="list-foot">
          {searchedTo != null && (
            <span className="muted">
              Searched back to <When at={searchedTo} exact />
            </span>
          )}
          <button type="button" aria-disabled={isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            {isFetchingNextPage ? 'Loading …' : searchedTo != null ? 'Search further back' : 'Show more'}
          </button>
        </div>
      )}
    </div>
  );
}

/** A list that has nothing to show, with or without filters. */
export function NothingFound({ filtered, what }: { readonly filtered: boolean; readonly what: string }) {
  return filtered ? (
    <Empty title={`No ${what} match these filters`}>
      <p>Change or clear a filter.</p>
    </Empty>
  ) : (
    <Empty title={`There are no ${what} yet`} />
  );
}
