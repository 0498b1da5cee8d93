import type { Command } from 'commander';
import { KeyAdministrationService } from '../../tokens/keys/key-administration.service.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { CommandError } from './options.js';
import type { Terminal } from './terminal.js';

@AdminCommand()
export class KeysCommand {
  constructor(private readonly keys: KeyAdministrationService) {}

  static describe(program: Command, run: Run<KeysCommand>): void {
    const keys = program.command('keys').description('manage the keys that sign access tokens');
    keys
      .command('list')
      .description('list the signing keys and their states')
      .action(run((command, terminal) => command.list(terminal)));
    keys
      .command('rotate')
      .description('publish the next key; it starts to sign when clients have it, so no request fails')
      .action(run((command, terminal) => command.rotate(terminal)));
    keys
      .command('distrust')
      .description('reject all tokens that a key signed, immediately and on every node')
      .argument('<kid>', 'kid from "keys list"')
      .action(run((command, terminal, kid: string) => command.distrust(terminal, kid)));
  }

  private async list(terminal: Terminal): Promise<void> {
    const keys = await this.keys.list();
    if (terminal.json) await terminal.result({ keys }, () => []);
    else await terminal.table(keys, ['state', 'kid', 'created_at', 'promote_at', 'distrusted_at']);
  }

  private async rotate(terminal: Terminal): Promise<void> {
    await this.keys.rotate(terminal.origin);
    await this.list(terminal);
  }

  private async distrust(terminal: Terminal, kid: string): Promise<void> {
    if ((await this.keys.distrust(kid, terminal.origin)) === 'unknown')
      throw new CommandError(`There is no key ${kid}`);
    await this.list(terminal);
  }
}
