import { Injectable } from '@nestjs/common';
import type { Command } from 'commander';
import { markedIn } from './marked.js';
import type { ServiceHost } from './service-host.js';
import type { Terminal } from './terminal.js';

/**
 * Makes an action for commander of what a command does. The service is started only when one runs: help and usage errors
 * need no database. `work` gets the command with what Nest injected, the terminal, then what commander passes (arguments,
 * then options); it returns an exit code, or nothing for 0. What it throws is told on stderr, exit code 1.
 */
export type Run<T> = <Typed extends unknown[]>(
  work: (command: T, terminal: Terminal, ...typed: Typed) => Promise<number | void>,
) => (...typed: Typed) => Promise<void>;

/** For a command that has to work where the service does not start: `run` is given no instance. */
export interface Surroundings {
  readonly host: ServiceHost;
  /** What the service is made of. */
  readonly features: readonly unknown[];
  readonly run: Run<undefined>;
}

/** A provider that is a part of `npm run admin`; see {@link AdminCommand}. */
export interface AdminCommandClass<T = unknown> {
  new (...injected: never[]): T;
  /** Adds its words to the program: `run` turns what they do into actions. Called before there is an instance. */
  describe(program: Command, run: Run<T>, surroundings: Surroundings): void;
}

const MARK = Symbol('AdminCommand');

/**
 * Marks a provider as a part of `npm run admin`. It belongs to the module of its feature: the command line finds it there, so
 * that whoever deletes the feature deletes the command.
 */
export function AdminCommand() {
  return <T>(target: AdminCommandClass<T>): void => {
    Injectable()(target as never);
    Reflect.defineMetadata(MARK, true, target);
  };
}

/** The commands among the providers of the modules and of all that those import. */
export function commandsIn(modules: readonly unknown[]): AdminCommandClass[] {
  return markedIn(MARK, modules) as AdminCommandClass[];
}
