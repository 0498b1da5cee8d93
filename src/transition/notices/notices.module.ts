import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { ReportModule } from '../report/report.module.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { CONFIG } from '../../config/config.js';
import type { TransitionConfig } from '../transition.settings.js';
import { FileTransport } from './mail/file-transport.js';
import { DEFAULT_FROM } from './mail/mail-message.js';
import { MailTransport } from './mail/mail-transport.js';
import { MailCheck } from './mail/mail.check.js';
import { SmtpTransport } from './mail/smtp-transport.js';
import { DeprecationNotice, NoticeRecipient } from './notice.entity.js';
import { NoticeSenderService } from './notice-sender.service.js';
import { DeprecationService } from './deprecation.service.js';
import { guideUrlProvider } from './guide-url.js';
import { NoticeAudienceService } from './notice-audience.service.js';
import { NoticesCommand } from './notices.command.js';
import { MigrationService } from './migration.service.js';
import { DeprecationHeaders } from './deprecation-headers.js';
import { MigrationController } from './migration.controller.js';
import { NoticeMetrics } from './notice-metrics.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { NoticeService } from './notice.service.js';
import { NoticeStore } from './notice.store.js';
import { NoticesController } from './notices.controller.js';
import { PagesController } from './pages/pages.controller.js';

const mailTransport = {
  provide: MailTransport,
  inject: [CONFIG],
  useFactory: ({ smtpUrl, mailFrom = DEFAULT_FROM, dataDir }: TransitionConfig): MailTransport =>
    smtpUrl === undefined
      ? new FileTransport(join(dataDir, 'mail'), mailFrom)
      : new SmtpTransport(smtpUrl, mailFrom),
};

/** Tells session clients and their users when sessions end: by headers, the banner, the guide and mail. */
@Module({
  imports: [
    AuditModule,
    OperationsModule,
    ReportModule,
    RolloutModule,
    SessionsModule,
    TokensModule,
    TypeOrmModule.forFeature([DeprecationNotice, NoticeRecipient]),
  ],
  controllers: [MigrationController, NoticesController, PagesController],
  providers: [
    DeprecationHeaders,
    DeprecationService,
    MailCheck,
    MigrationService,
    NoticeAudienceService,
    NoticeMetrics,
    NoticeRecipientStore,
    NoticeSenderService,
    NoticeService,
    NoticeStore,
    NoticesCommand,
    guideUrlProvider,
    mailTransport,
  ],
})
export class NoticesModule {}
