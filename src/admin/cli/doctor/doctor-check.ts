import { Injectable } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { markedIn } from '../marked.js';

/** One line of the doctor's report. */
export interface Finding {
  /** What was looked at, in a word or two with underscores. */
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do; left out where nothing needs to be done. */
  readonly advice?: string;
}

/** A provider that looks at something when the doctor comes; see {@link DoctorCheck}. */
export interface Examination {
  /** May throw: that is a finding, too. Has ten seconds. */
  examine(): Promise<Finding[]>;
}

const MARK = Symbol('DoctorCheck');

/** Marks a provider as a part of `npm run admin -- doctor`; it belongs to the module of its feature. */
export function DoctorCheck() {
  return (target: new (...injected: never[]) => Examination): void => {
    Injectable()(target as never);
    Reflect.defineMetadata(MARK, true, target);
  };
}

/** The checks among the providers of the modules and of all that those import. */
export function checksIn(modules: readonly unknown[]): Type<Examination>[] {
  return markedIn(MARK, modules) as Type<Examination>[];
}

export const ok = (check: string, message: string): Finding => ({ check, level: 'ok', message });

export const warn = (check: string, message: string, advice: string): Finding => ({
  check,
  level: 'warn',
  message,
  advice,
});

export const fail = (check: string, message: string, advice: string): Finding => ({
  check,
  level: 'fail',
  message,
  advice,
});

/** Milliseconds. */
const PATIENCE = 10_000;

/** What `work` finds, in bounded time; that it failed is a finding under the name of the check. */
export async function examined(
  check: string,
  advice: string,
  work: () => Promise<Finding[]>,
): Promise<Finding[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding[]>((resolve) => {
    timer = setTimeout(() => resolve([fail(check, 'no answer within 10 s', advice)]), PATIENCE);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    return [fail(check, messageOf(error), advice)];
  } finally {
    clearTimeout(timer);
  }
}

/** The innermost reason, in one line. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (error.cause instanceof Error) return messageOf(error.cause);
  return (error.message || code || error.name).split('\n', 1)[0]!;
}
