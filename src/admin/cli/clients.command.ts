import type { Command } from 'commander';
import { CLIENT_SCOPES } from '../../auth/client-scopes.js';
import type { ClientScope } from '../../auth/client-scopes.js';
import { OAuthClientService } from '../../oauth/oauth-client.service.js';
import type { ClientWithSecret } from '../../oauth/oauth-client.service.js';
import { clientView, isClientName } from '../../oauth/oauth.dto.js';
import type { OAuthClient } from '../../oauth/oauth-client.entity.js';
import { AdminCommand } from './admin-command.js';
import type { Run } from './admin-command.js';
import { CommandError, DEFAULT_SHOWN, MAX_SHOWN, readPages, uuid, wholeNumber } from './options.js';
import type { Terminal } from './terminal.js';

const SECRET_HELP = `
The secret is written to stdout once. Tandem stores only its hash.`;

@AdminCommand()
export class ClientsCommand {
  constructor(private readonly clients: OAuthClientService) {}

  static describe(program: Command, run: Run<ClientsCommand>): void {
    const clients = program.command('clients').description('manage service clients and their scopes');
    const scopes = () => program.createOption('--scopes <scope...>').choices(CLIENT_SCOPES);
    clients
      .command('list')
      .description('list the service clients, sorted by id')
      .option('--limit <n>', 'maximum number of clients', wholeNumber(1, MAX_SHOWN), DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'next_cursor of the previous page')
      .action(
        run((command, terminal, { limit, cursor }: { limit: number; cursor?: string }) =>
          command.list(terminal, limit, cursor),
        ),
      );
    clients
      .command('create')
      .description('register a service client')
      .argument('<name>', 'a name for people')
      .addOption(scopes())
      .addHelpText('after', SECRET_HELP)
      .action(
        run((command, terminal, name: string, options: { scopes?: ClientScope[] }) =>
          command.create(terminal, name, options.scopes),
        ),
      );
    clients
      .command('change')
      .description('replace the scopes of a client; it has only the new scopes from now on')
      .argument('<id>', 'client_id', uuid)
      .addOption(scopes().makeOptionMandatory())
      .action(
        run((command, terminal, id: string, options: { scopes: ClientScope[] }) =>
          command.change(terminal, id, options.scopes),
        ),
      );
    clients
      .command('renew-secret')
      .description('make a new secret. The old one stops working at once')
      .argument('<id>', 'client_id', uuid)
      .addHelpText('after', SECRET_HELP)
      .action(run((command, terminal, id: string) => command.renew(terminal, id)));
    clients
      .command('disable')
      .description('disable a client permanently')
      .argument('<id>', 'client_id', uuid)
      .action(run((command, terminal, id: string) => command.disable(terminal, id)));
  }

  private async list(terminal: Terminal, limit: number, cursor: string | undefined): Promise<void> {
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.clients.list(size, after);
      return { entries: page.clients.map(clientView), next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ clients: entries, next_cursor }, () => []);
    await terminal.table(entries, ['client_id', 'name', 'scopes', 'disabled', 'created_at', 'secret_at']);
    terminal.more(next_cursor);
  }

  private async create(
    terminal: Terminal,
    name: string,
    scopes: readonly ClientScope[] | undefined,
  ): Promise<void> {
    if (!isClientName(name)) throw new CommandError('The name must be visible text of 1 to 128 characters');
    await this.showSecret(terminal, await this.clients.create(name, { origin: terminal.origin }, scopes));
  }

  private async change(terminal: Terminal, id: string, scopes: readonly ClientScope[]): Promise<void> {
    const client = required(id, await this.clients.setScopes(id, scopes, { origin: terminal.origin }));
    await terminal.result(clientView(client), () => [
      `changed: ${client.id}, scopes ${client.scopes.join(' ')}`,
    ]);
  }

  private async renew(terminal: Terminal, id: string): Promise<void> {
    await this.showSecret(
      terminal,
      required(id, await this.clients.renewSecret(id, { origin: terminal.origin })),
    );
  }

  private async disable(terminal: Terminal, id: string): Promise<void> {
    if (!(await this.clients.disable(id, { origin: terminal.origin }))) throw unknown(id);
    await terminal.result({ client_id: id, disabled: true }, () => [`disabled: ${id}`]);
  }

  private async showSecret(terminal: Terminal, { client, secret }: ClientWithSecret): Promise<void> {
    await terminal.result({ ...clientView(client), client_secret: secret }, () => [
      `client_id      ${client.id}`,
      `client_secret  ${secret}`,
      `scopes         ${client.scopes.join(' ')}`,
    ]);
  }
}

function required<T extends OAuthClient | ClientWithSecret>(id: string, found: T | undefined): T {
  if (found === undefined) throw unknown(id);
  return found;
}

function unknown(id: string): CommandError {
  return new CommandError(`There is no active client ${id}`);
}
