import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import type { ApiError } from '../api/api-error.js';
import { Copy } from './bits.js';

const TITLES: Readonly<Record<number, string>> = {
  0: 'No answer',
  400: 'This request is not valid',
  401: 'You are signed out',
  403: 'You may not do this',
  404: 'Not found',
  409: 'Something has changed',
  429: 'Too many requests',
  503: 'The service cannot answer right now',
};

/** Returns the title of a failure. */
export function titleOf({ status }: ApiError): string {
  return TITLES[status] ?? (status >= 500 ? 'The service failed' : 'The service refused this');
}

interface ErrorNoticeProps {
  readonly error: ApiError;
  readonly onRetry?: (() => void) | undefined;
  /** Whether the page tries again by itself. */
  readonly retries?: boolean;
  readonly children?: ReactNode;
}

/** A failed call: what happened, what happens next, and the request id for the log. */
export function ErrorNotice({ error, onRetry, retries = false, children }: ErrorNoticeProps) {
  return (
    <div className="notice error" role="alert">
      <p className="notice-title">{titleOf(error)}</p>
      <p>
        {error.message !== titleOf(error) && error.message}
        {error.retryAfter > 0 && (
          <>
            {' '}
            <Countdown key={error.requestId} seconds={error.retryAfter} retries={retries} />
          </>
        )}
      </p>
      {error.fields.length > 0 && (
        <ul>
          {error.fields.map(({ field, message }) => (
            <li key={`${field} ${message}`}>
              {message.startsWith(field) ? message : `${field}: ${message}`}
            </li>
          ))}
        </ul>
      )}
      {children}
      <div className="notice-foot">
        {onRetry !== undefined && (
          <button type="button" onClick={onRetry}>
            Try again
          </button>
        )}
        {error.requestId !== null && (
          <span className="request-id">
            Request <Copy text={error.requestId} label="the request id" />
          </span>
        )}
      </div>
    </div>
  );
}

interface FailedRead {
  readonly error: ApiError | null;
  readonly refetch: () => Promise<unknown>;
}

/** Why a read failed, with a button to try again. Nothing if it did not fail. */
export function ReadError({ read: { error, refetch } }: { readonly read: FailedRead }) {
  if (error === null) return null;
  return <ErrorNotice error={error} retries={error.isTemporary} onRetry={() => void refetch()} />;
}

function Countdown({ seconds, retries }: { readonly seconds: number; readonly retries: boolean }) {
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const timer = setInterval(() => setLeft((now) => Math.max(0, now - 1)), 1_000);
    return () => clearInterval(timer);
  }, []);
  if (left === 0) return <>{retries ? 'Trying again …' : 'You can try again now.'}</>;
  return (
    <span aria-hidden="true">
      {retries ? `Trying again in ${left} s.` : `You can try again in ${left} s.`}
    </span>
  );
}

/** Shows a text instead of a list without entries. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** Placeholders for rows that are being loaded. */
export function Loading({ rows = 6 }: { readonly rows?: number }) {
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">Loading</span>
      {Array.from({ length: rows }, (_each, index) => (
        <span key={index} className="loading-row" aria-hidden="true" />
      ))}
    </div>
  );
}
