import { Injectable } from '@nestjs/common';
import type { DynamicModule, Type } from '@nestjs/common';
import type { Command } from 'commander';
import type { Terminal } from './terminal.js';

/**
 * Makes an action for commander of what a command does. The service is started only when one runs: help, usage errors and
 * completions need no database. `work` gets the command with what Nest injected, the terminal, then what commander passes
 * (arguments, then options); it returns an exit code, or nothing for 0. What it throws is told on stderr, exit code 1.
 */
export type Run<T> = <Typed extends unknown[]>(
  work: (command: T, terminal: Terminal, ...typed: Typed) => Promise<number | void>,
) => (...typed: Typed) => Promise<void>;

/** A provider that is a part of `npm run admin`; see {@link AdminCommand}. */
export interface AdminCommandClass<T = unknown> {
  new (...injected: never[]): T;
  /** Adds its words to the program: `run` turns what they do into actions. Called before there is an instance. */
  describe(program: Command, run: Run<T>): void;
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
  const seen = new Set<unknown>();
  const found = new Set<AdminCommandClass>();
  const visit = (node: unknown): void => {
    const {
      module = node,
      imports = [],
      providers = [],
    } = (isDynamic(node) ? node : {}) as Partial<DynamicModule>;
    if (typeof module !== 'function' || (seen.has(module) && !isDynamic(node))) return;
    seen.add(module);
    for (const provider of [...listed('providers', module), ...providers]) {
      if (typeof provider === 'function' && Reflect.hasOwnMetadata(MARK, provider))
        found.add(provider as unknown as AdminCommandClass);
    }
    for (const next of [...listed('imports', module), ...imports]) visit(next);
  };
  for (const module of modules) visit(module);
  return [...found];
}

function isDynamic(node: unknown): node is DynamicModule {
  return typeof node === 'object' && node !== null && 'module' in node;
}

function listed(what: 'providers' | 'imports', module: object): unknown[] {
  return (Reflect.getMetadata(what, module as Type) as unknown[] | undefined) ?? [];
}
