import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEvent } from './audit-event.entity.js';
import { AuditLog } from './audit-log.store.js';
import { AuditRetention } from './audit-retention.service.js';
import { AuditSeal } from './audit-seal.entity.js';
import { AuditSealer } from './audit-sealer.service.js';
import { AuditVerifier } from './audit-verifier.service.js';
import { AuditStore } from './audit.store.js';
import { NotedHead } from './noted-head.js';
import { RefusalCounter } from './refusal-counter.js';
import { RowAlarms } from './row-alarms.js';
import { SealKeys } from './seal-keys.js';
import { SealStore } from './seal.store.js';
import { SealingJob } from './sealing.job.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEvent, AuditSeal])],
  providers: [
    AuditLog,
    AuditRetention,
    AuditSealer,
    AuditStore,
    AuditVerifier,
    NotedHead,
    RefusalCounter,
    RowAlarms,
    SealKeys,
    SealStore,
    SealingJob,
  ],
  exports: [
    AuditLog,
    AuditRetention,
    AuditStore,
    AuditVerifier,
    NotedHead,
    RefusalCounter,
    RowAlarms,
    SealStore,
    SealingJob,
  ],
})
export class AuditModule {}
