import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEvent } from './audit-event.entity.js';
import { AuditLogStore } from './audit-log.store.js';
import { AuditRetentionService } from './sealing/audit-retention.service.js';
import { AuditSeal } from './sealing/audit-seal.entity.js';
import { AuditSealerService } from './sealing/audit-sealer.service.js';
import { AuditVerifierService } from './sealing/audit-verifier.service.js';
import { AuditStore } from './audit.store.js';
import { ChainHeadService } from './sealing/chain-head.service.js';
import { IssuedTokenStore } from './issued-token.store.js';
import { LoginStoryStore } from './login-story.store.js';
import { RefusalCounter } from './refusal-counter.js';
import { RowAlarms } from './row-alarms.js';
import { SealKeys } from './sealing/seal-keys.js';
import { SealStore } from './sealing/seal.store.js';
import { SealingJob } from './sealing/sealing.job.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEvent, AuditSeal])],
  providers: [
    AuditLogStore,
    AuditRetentionService,
    AuditSealerService,
    AuditStore,
    AuditVerifierService,
    ChainHeadService,
    IssuedTokenStore,
    LoginStoryStore,
    RefusalCounter,
    RowAlarms,
    SealKeys,
    SealStore,
    SealingJob,
  ],
  exports: [
    AuditLogStore,
    AuditRetentionService,
    AuditStore,
    AuditVerifierService,
    ChainHeadService,
    IssuedTokenStore,
    LoginStoryStore,
    RefusalCounter,
    RowAlarms,
    SealStore,
    SealingJob,
  ],
})
export class AuditModule {}
