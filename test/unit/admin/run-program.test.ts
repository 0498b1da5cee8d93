import { Module } from '@nestjs/common';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AdminCommand, commandsIn } from '../../../src/admin/cli/admin-command.js';
import type { Run } from '../../../src/admin/cli/admin-command.js';
import { CommandError } from '../../../src/admin/cli/options.js';
import { runProgram } from '../../../src/admin/cli/run-program.js';
import type { ServiceHost } from '../../../src/admin/cli/service-host.js';
import type { Terminal } from '../../../src/admin/cli/terminal.js';
import { refuse, unavailable } from '../../../src/common/common.errors.js';
import { ConfigurationError } from '../../../src/config/config.js';

let outcome: () => Promise<number | void> = async () => undefined;

@AdminCommand()
class Lamp {
  static describe(program: Command, run: Run<Lamp>): void {
    program
      .command('lamp')
      .argument('<place>')
      .option('--bright')
      .action(
        run((lamp, terminal, place: string, { bright }: { bright?: boolean }) =>
          lamp.light(terminal, place, bright === true),
        ),
      );
  }

  async light(terminal: Terminal, place: string, bright: boolean): Promise<number | void> {
    await terminal.result({ place, bright }, () => [`${place} is lit`]);
    return outcome();
  }
}

class NoCommand {}

@Module({ providers: [NoCommand, Lamp] })
class Cellar {}

@Module({ imports: [{ module: Cellar }] })
class House {}

describe('the administrators’ command line', () => {
  let out: string;
  let err: string;
  let opened: number;

  const host = {
    get: async (type: new () => object) => {
      opened += 1;
      return new type();
    },
  } as unknown as ServiceHost;

  beforeEach(() => {
    [out, err, opened] = ['', '', 0];
    outcome = async () => undefined;
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
  });
  afterEach(() => vi.restoreAllMocks());

  const run = (...args: string[]) => runProgram(args, commandsIn([House]), { host, features: [House] });

  it('finds the commands among the providers of imported modules, each once', () => {
    expect(commandsIn([House, Cellar, { module: House }])).toEqual([Lamp]);
  });

  it('prints text, or JSON with --json in any position', async () => {
    expect(await run('lamp', 'cellar', '--bright')).toBe(0);
    expect(out).toBe('cellar is lit\n');
    out = '';
    expect(await run('lamp', 'attic', '--json')).toBe(0);
    expect(JSON.parse(out)).toEqual({ place: 'attic', bright: false });
    out = '';
    expect(await run('--json', 'lamp', 'attic')).toBe(0);
    expect(JSON.parse(out)).toEqual({ place: 'attic', bright: false });
  });

  it('exits with 0 for help and 2 for usage errors, without starting the service', async () => {
    expect(await run('--help')).toBe(0);
    expect(out).toContain('lamp');
    expect(await run('lamp', '--help')).toBe(0);
    for (const args of [[], ['lamb'], ['lamp'], ['lamp', 'a', 'b'], ['lamp', 'a', '--colour']])
      expect(await run(...args), args.join(' ')).toBe(2);
    expect(err).toContain('Did you mean lamp?');
    expect(opened).toBe(0);
  });

  it('exits with the code that a command returns', async () => {
    outcome = async () => 1;
    expect(await run('lamp', 'cellar')).toBe(1);
  });

  it('writes failures to stderr with the cause that an operator needs', async () => {
    const errors = [{ field: 'username', message: 'username must be shorter' }];
    for (const [error, code, told] of [
      [new CommandError('It is dark'), 1, 'It is dark\n'],
      [refuse('validation_failed', { errors }), 1, 'username must be shorter\n'],
      [unavailable(new Error('the cellar is flooded')), 1, 'the cellar is flooded\n'],
      [
        new ConfigurationError(['LAMP takes oil', 'WICK takes cotton']),
        78,
        'LAMP takes oil\nWICK takes cotton\n',
      ],
    ] as const) {
      err = '';
      outcome = () => Promise.reject(error);
      expect(await run('lamp', 'cellar')).toBe(code);
      expect(err).toBe(told);
    }
  });
});
