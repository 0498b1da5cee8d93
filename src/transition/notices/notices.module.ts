import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { JobsModule } from '../../operations/jobs/jobs.module.js';
import { MailModule } from '../../operations/mail/mail.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { ReportModule } from '../report/report.module.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { DeprecationNotice } from './deprecation-notice.entity.js';
import { DeprecationHeaders } from './deprecation-headers.js';
import { Deprecations } from './deprecation.service.js';
import { DeprecationStore } from './deprecation.store.js';
import { MigrationController } from './migration.controller.js';
import { Migration } from './migration.service.js';
import { NoticeRecipient } from './notice-recipient.entity.js';
import { NoticeRecipientStore } from './notice-recipient.store.js';
import { NoticeSender } from './notice-sender.job.js';
import { NoticeService } from './notice.service.js';
import { NoticeStore } from './notice.store.js';
import { NoticesController } from './notices.controller.js';
import { PagesController } from './pages.controller.js';

/** What session clients are told of the end of sessions. */
@Module({
  imports: [
    AuditModule,
    JobsModule,
    MailModule,
    ReportModule,
    RolloutModule,
    SessionsModule,
    TokensModule,
    TypeOrmModule.forFeature([DeprecationNotice, NoticeRecipient]),
  ],
  controllers: [MigrationController, NoticesController, PagesController],
  providers: [
    DeprecationHeaders,
    Deprecations,
    DeprecationStore,
    Migration,
    NoticeRecipientStore,
    NoticeSender,
    NoticeService,
    NoticeStore,
  ],
})
export class NoticesModule {}
