import type { Command } from 'commander';
import { AdminCommand } from '../../admin/cli/admin-command.js';
import type { Run } from '../../admin/cli/admin-command.js';
import { DEFAULT_SHOWN, MAX_SHOWN, readPages, wholeNumber } from '../../admin/cli/options.js';
import type { Terminal } from '../../admin/cli/terminal.js';
import { counted } from '../../common/text.js';
import { validationPipe } from '../../common/http/validation.js';
import { NewNoticeDto } from './notice.dto.js';
import { DEFAULT_DAYS, NoticeService } from './notice.service.js';
import type { NoticeOrder } from './notice.service.js';

interface ListOptions {
  readonly limit: number;
  readonly cursor?: string;
}

interface SendOptions extends ListOptions {
  readonly days?: number;
  readonly subject?: string;
  readonly text?: string;
  readonly dryRun?: boolean;
}

const SEND_HELP = `
Running nodes send the mails within seconds. See who would get one first:
  npm run admin -- notices send --dry-run
  npm run admin -- notices send --days 14 --text "$(cat notice.txt)"
A text may use {{username}}, {{sunset_date}}, {{user_agent}}, {{last_seen}} and {{guide_url}}.`;

@AdminCommand()
export class NoticesCommand {
  constructor(private readonly notices: NoticeService) {}

  static describe(program: Command, run: Run<NoticesCommand>): void {
    const shown = wholeNumber(1, MAX_SHOWN);
    const notices = program.command('notices').description('mail to users who still use sessions');
    notices
      .command('send')
      .description('send a mail to each user who used a session recently and is not on tokens')
      .option(
        '--days <n>',
        `how far back to look for a session (default: ${DEFAULT_DAYS})`,
        wholeNumber(1, 90),
      )
      .option('--subject <subject>', 'one line')
      .option('--text <text>', 'plain text')
      .option('--dry-run', 'list the recipients and send nothing')
      .option('--limit <n>', 'with --dry-run: how many', shown, DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'with --dry-run: the next_cursor of an earlier list')
      .addHelpText('after', SEND_HELP)
      .action(run((command, terminal, options: SendOptions) => command.send(terminal, options)));
    notices
      .command('list')
      .description('the notices and their progress, newest first')
      .option('--limit <n>', 'how many', shown, DEFAULT_SHOWN)
      .option('--cursor <cursor>', 'the next_cursor of an earlier list')
      .action(run((command, terminal, options: ListOptions) => command.list(terminal, options)));
  }

  private async send(terminal: Terminal, options: SendOptions): Promise<void> {
    const { days, subject, text, dryRun } = options;
    // The same rules as for the body of a request.
    const given = Object.entries({ days, subject, text }).filter(([, value]) => value !== undefined);
    const form = { type: 'body', metatype: NewNoticeDto } as const;
    const order = (await validationPipe.transform(Object.fromEntries(given), form)) as NoticeOrder;
    if (dryRun === true) return this.preview(terminal, order, options);
    const queued = await this.notices.queue(order, undefined, terminal.origin);
    await terminal.result(queued, () => [`Queued ${counted(queued.queued, 'mail')} as notice ${queued.id}`]);
  }

  private async preview(
    terminal: Terminal,
    order: NoticeOrder,
    { limit, cursor }: ListOptions,
  ): Promise<void> {
    let count = 0;
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.notices.preview(order, size, after);
      count = page.count;
      return { entries: page.recipients, next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ count, recipients: entries, next_cursor }, () => []);
    await terminal.table(entries, ['user_id', 'username', 'email', 'user_agent', 'last_seen']);
    terminal.note(`${counted(count, 'recipient')}; nothing was sent`);
    terminal.more(next_cursor);
  }

  private async list(terminal: Terminal, { limit, cursor }: ListOptions): Promise<void> {
    const { entries, next_cursor } = await readPages(limit, cursor, async (size, after) => {
      const page = await this.notices.list(size, after);
      return { entries: page.notices, next_cursor: page.next_cursor };
    });
    if (terminal.json) return terminal.result({ notices: entries, next_cursor }, () => []);
    const columns = [
      'id',
      'created_at',
      'days',
      'queued',
      'pending',
      'sent',
      'unconfirmed',
      'failed',
    ] as const;
    await terminal.table(entries, columns);
    terminal.more(next_cursor);
  }
}
