import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import type { InfiniteData, UseInfiniteQueryResult, UseQueryResult } from '@tanstack/react-query';
import type { ApiError } from './api-error.js';
import { call } from './call.js';
import type { Answer, CallOptions, Route } from './call.js';

/** The poll interval of live pages, in ms. It is short, so that a revocation shows within a second. */
export const LIVE_MS = 600;
/** The poll interval of other pages, in ms. */
export const CALM_MS = 5_000;

export interface ReadOptions<R extends Route> extends CallOptions<R> {
  /** The poll interval while the page is visible, in ms. Without it, a route is read again only after a temporary failure. */
  readonly every?: number;
  readonly enabled?: boolean;
}

/** Reads a route. With `every`, polls it while the page is visible. After a failure, `data` keeps the last answer. */
export function useRead<R extends Route>(
  route: R,
  { every, enabled = true, ...options }: ReadOptions<R> = {},
): UseQueryResult<Answer<R>, ApiError> {
  return useQuery<Answer<R>, ApiError>({
    queryKey: [route, options],
    queryFn: ({ signal }) => call(route, { ...options, signal }),
    enabled,
    refetchInterval: ({ state }) => intervalAfter(state.error, every),
  });
}

type Paged = { readonly next_cursor: string | null };
export type Pages<T> = UseInfiniteQueryResult<InfiniteData<T, string | undefined>, ApiError>;

/** Reads a list page by page, and polls the loaded pages while they are visible. The interval grows with their number. */
export function usePages<R extends Route>(
  route: R,
  { every, enabled = true, query, ...options }: ReadOptions<R> = {},
): Pages<Answer<R> & Paged> {
  type Page = Answer<R> & Paged;
  return useInfiniteQuery<
    Page,
    ApiError,
    InfiniteData<Page, string | undefined>,
    readonly unknown[],
    string | undefined
  >({
    queryKey: [route, 'pages', query, options],
    queryFn: ({ signal, pageParam }) =>
      call(route, { ...options, query: { ...query, cursor: pageParam } as never, signal }) as Promise<Page>,
    initialPageParam: undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    enabled,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) =>
      intervalAfter(state.error, every && every * (state.data?.pages.length ?? 1)),
  });
}

/**
 * Returns the next poll interval in ms: `every` after a success, `Retry-After` (at least 2 s) after a temporary failure, none after a
 * permanent one.
 */
export function intervalAfter(error: ApiError | null, every: number | undefined): number | false {
  if (error === null) return every ?? false;
  return error.isTemporary && Math.max(error.retryAfter * 1000, 2_000);
}
