import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditEvent } from './audit-event.entity.js';
import { AuditStore } from './audit.store.js';
import { RefusalCounter } from './refusal-counter.js';

@Module({
  imports: [TypeOrmModule.forFeature([AuditEvent])],
  providers: [AuditStore, RefusalCounter],
  exports: [AuditStore, RefusalCounter],
})
export class AuditModule {}
