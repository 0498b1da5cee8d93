import { useCallback, useRef, useState, useSyncExternalStore } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { ApiError } from './api-error.js';
import { auth } from './call.js';

/** The user closed a dialog instead of answering it. Nothing happened. */
export class Cancelled extends Error {}

interface Question {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

let question: Question | undefined;
const listeners = new Set<() => void>();

/** The action that waits for a fresh password. The shell shows the dialog. */
export function usePasswordQuestion(): Question | undefined {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => question,
  );
}

function ask(next: Question | undefined): void {
  question?.reject(new Cancelled());
  question = next;
  for (const listener of listeners) listener();
}

/** Closes the dialog: the action continues, or throws {@link Cancelled}. */
export function answerPasswordQuestion(proved: boolean): void {
  const asked = question;
  question = undefined;
  if (proved) asked?.resolve();
  else asked?.reject(new Cancelled());
  for (const listener of listeners) listener();
}

/**
 * Performs an action. If it needs a fresh password, asks for it and repeats the action. If the login has ended, waits until the user has
 * signed in again and repeats it. A refused action has changed nothing, so that it can be repeated.
 */
export async function perform<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'fresh_password_required')
      await new Promise<void>((resolve, reject) => ask({ resolve, reject }));
    else if (error.status === 401 && auth.state === 'signed-out') await signedInAgain();
    else throw error;
    return perform(action);
  }
}

function signedInAgain(): Promise<void> {
  return new Promise((resolve) => {
    const stop = auth.on('state', (state) => {
      if (state !== 'signed-in') return;
      stop();
      resolve();
    });
  });
}

export interface Action<A extends readonly unknown[]> {
  readonly run: (...values: A) => void;
  readonly running: boolean;
  readonly error: ApiError | undefined;
  readonly reset: () => void;
}

/** An action of a button or a form. Afterwards everything that is shown is read again. A second press while it runs does nothing. */
export function useAction<A extends readonly unknown[], T>(
  action: (...values: A) => Promise<T>,
  onDone?: (result: T) => void,
): Action<A> {
  const queries = useQueryClient();
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<ApiError>();
  const busy = useRef(false);
  const start = async (values: A) => {
    busy.current = true;
    setRunning(true);
    setError(undefined);
    try {
      const result = await perform(() => action(...values));
      onDone?.(result);
    } catch (thrown) {
      if (thrown instanceof ApiError) setError(thrown);
      else if (!(thrown instanceof Cancelled)) throw thrown;
    } finally {
      busy.current = false;
      setRunning(false);
      void queries.invalidateQueries();
    }
  };
  return {
    run: (...values) => {
      if (!busy.current) void start(values);
    },
    running,
    error,
    reset: useCallback(() => setError(undefined), []),
  };
}
