import { Injectable } from '@nestjs/common';
import type { Command } from 'commander';
import type { ServiceHost } from './service-host.js';
import type { Terminal } from './terminal.js';
import type { DynamicModule, Type } from '@nestjs/common';

/**
 * Turns a method of a command into an action for commander. The service starts only when an action runs, so help and usage errors need
 * no database. `work` receives the command from Nest, the terminal, and the arguments and options of commander. It returns the exit code,
 * or nothing for 0. If it throws, the message is written to stderr and the exit code is 1.
 */
export type Run<T> = <Typed extends unknown[]>(
  work: (command: T, terminal: Terminal, ...typed: Typed) => Promise<number | void>,
) => (...typed: Typed) => Promise<void>;

/** What a command gets that must work even if the service cannot start: its `run` passes no instance. */
export interface CommandContext {
  readonly host: ServiceHost;
  /** The modules of the service. */
  readonly features: readonly unknown[];
  readonly run: Run<undefined>;
}

/** A provider that adds commands to `npm run admin`; see {@link AdminCommand}. */
export interface AdminCommandClass<T = unknown> {
  new (...injected: never[]): T;
  /** Adds the commands to the program. Called before an instance exists. */
  describe(program: Command, run: Run<T>, surroundings: CommandContext): void;
}

const COMMAND_METADATA = Symbol('AdminCommand');

/**
 * Marks a provider as a command of `npm run admin`. The command line finds it in the module of its feature, so deleting the feature
 * deletes the command.
 */
export function AdminCommand() {
  return <T>(target: AdminCommandClass<T>): void => {
    Injectable()(target as never);
    Reflect.defineMetadata(COMMAND_METADATA, true, target);
  };
}

/** The group of commands with this name. Several features may add commands to one group. */
export function commandGroup(program: Command, name: string): Command {
  return program.commands.find((command) => command.name() === name) ?? program.command(name);
}

/** The commands among the providers of the modules and of the modules that they import. */
export function commandsIn(modules: readonly unknown[]): AdminCommandClass[] {
  return providersWith(COMMAND_METADATA, modules) as AdminCommandClass[];
}

/** The providers with the metadata key, among those of the modules and of the modules that they import. Each occurs once. */
export function providersWith(mark: symbol, modules: readonly unknown[]): object[] {
  const seen = new Set<unknown>();
  const found = new Set<object>();
  const visit = (node: unknown): void => {
    const dynamic: Partial<DynamicModule> = isDynamic(node) ? node : {};
    const module: unknown = isDynamic(node) ? node.module : node;
    if (typeof module !== 'function' || (seen.has(module) && !isDynamic(node))) return;
    seen.add(module);
    for (const provider of [...metadataOf('providers', module), ...(dynamic.providers ?? [])]) {
      if (typeof provider === 'function' && Reflect.hasOwnMetadata(mark, provider)) found.add(provider);
    }
    for (const next of [...metadataOf('imports', module), ...(dynamic.imports ?? [])]) visit(next);
  };
  for (const module of modules) visit(module);
  return [...found];
}

function isDynamic(node: unknown): node is DynamicModule {
  return typeof node === 'object' && node !== null && 'module' in node;
}

function metadataOf(what: 'providers' | 'imports', module: object): unknown[] {
  return (Reflect.getMetadata(what, module as Type) as unknown[] | undefined) ?? [];
}
