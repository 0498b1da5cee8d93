import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { FileTransport } from './file-transport.js';
import { DEFAULT_FROM } from './mail-message.js';
import { MailTransport } from './mail.js';
import { SmtpTransport } from './smtp-transport.js';

@Module({
  providers: [
    {
      provide: MailTransport,
      inject: [CONFIG],
      useFactory: ({ smtpUrl, mailFrom = DEFAULT_FROM, dataDir }: Config): MailTransport =>
        smtpUrl === undefined
          ? new FileTransport(join(dataDir, 'mail'), mailFrom)
          : new SmtpTransport(smtpUrl, mailFrom),
    },
  ],
  exports: [MailTransport],
})
export class MailModule {}
