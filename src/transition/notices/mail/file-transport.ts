import { renameSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { composeMessage, isAddress } from './mail-message.js';
import { MailTransport } from './mail-transport.js';
import type { Delivery, HandOver, Mail, MailConnection } from './mail-transport.js';

/**
 * Writes each mail as an `.eml` file for installations without a mail server. The file is named after the Message-ID, so the same mail
 * is never there twice. A rename makes it appear whole or not at all.
 */
export class FileTransport extends MailTransport {
  constructor(
    private readonly folder: string,
    private readonly from: string,
  ) {
    super();
  }

  open(): MailConnection {
    const nothing = () => undefined;
    return { send: (mail, handOver) => this.write(mail, handOver), close: nothing, abandon: nothing };
  }

  private async write(mail: Mail, handOver: HandOver): Promise<Delivery> {
    if (!isAddress(mail.to)) return { outcome: 'refused', reply: 'address' };
    const file = join(this.folder, `${mail.messageId.replaceAll(/[^\w.@-]/g, '_')}.eml`);
    const temporary = `${file}.${process.pid}.tmp`;
    try {
      const message = await composeMessage(mail, this.from);
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const handle = await open(temporary, 'w', 0o600);
      await handle.writeFile(message);
      await handle.sync();
      await handle.close();
    } catch (cause) {
      return { outcome: 'unreachable', reply: codeOf(cause), cause };
    }
    let delivery: Delivery = { outcome: 'accepted' };
    await handOver(() => {
      try {
        renameSync(temporary, file);
      } catch (cause) {
        delivery = { outcome: 'unreachable', reply: codeOf(cause), cause };
      }
    });
    return delivery;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'file';
}
