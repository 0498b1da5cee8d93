import { Injectable } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { within } from '../../../common/within.js';
import { providersWith } from '../admin-command.js';

/** One line of the doctor's report. */
export interface Finding {
  /** The name of the check: one or two words with underscores. */
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do about it; absent if nothing needs to be done. */
  readonly advice?: string;
}

/** A provider with a check of the doctor; see {@link DoctorCheck}. */
export interface Examination {
  /** Times out after ten seconds. An error becomes a finding. `answer`: see {@link DoctorQuestion}; undefined if nobody asked for it. */
  examine(answer?: string): Promise<Finding[]>;
}

/** What a check wants to know from the operator. It may be a credential, so it is read from stdin and never from the arguments. */
export interface DoctorQuestion {
  /** The option with which the operator announces it: a word. */
  readonly option: string;
  readonly description: string;
  /** What a terminal asks for, in one word. */
  readonly what: string;
}

const CHECK_METADATA = Symbol('DoctorCheck');

/** Marks a provider of a feature's module as a check of `npm run admin -- doctor`. */
export function DoctorCheck(question?: DoctorQuestion) {
  return (target: new (...injected: never[]) => Examination): void => {
    Injectable()(target as never);
    Reflect.defineMetadata(CHECK_METADATA, question, target);
  };
}

const NODES_METADATA = Symbol('CheckedOnNodes');

/**
 * Marks a check that a node makes, too, when an administrator asks. Such a check talks to nothing but Tandem's own database, and its work is
 * bounded.
 */
export function CheckedOnNodes() {
  return (target: object): void => Reflect.defineMetadata(NODES_METADATA, true, target);
}

/** Whether the class is a check that nodes make. */
export function isCheckedOnNodes(target: object): boolean {
  return Reflect.hasOwnMetadata(NODES_METADATA, target);
}

/** What the check wants to know. */
export function questionOf(check: object): DoctorQuestion | undefined {
  return Reflect.getOwnMetadata(CHECK_METADATA, check) as DoctorQuestion | undefined;
}

/** The checks among the providers of the modules and of the modules that they import. */
export function checksIn(modules: readonly unknown[]): Type<Examination>[] {
  return providersWith(CHECK_METADATA, modules) as Type<Examination>[];
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

const TIMEOUT_MS = 10_000;

/** Runs `work` and returns its findings. An error or a timeout becomes a failed finding with the name `check`. */
export async function runCheck(
  check: string,
  advice: string,
  work: () => Promise<Finding[]>,
): Promise<Finding[]> {
  try {
    return await within(TIMEOUT_MS, work(), () => [fail(check, 'no answer within 10 s', advice)]);
  } catch (error) {
    return [fail(check, messageOf(error), advice)];
  }
}

/** The innermost cause, in one line. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (error.cause instanceof Error) return messageOf(error.cause);
  return (error.message || code || error.name).split('\n', 1)[0]!;
}
