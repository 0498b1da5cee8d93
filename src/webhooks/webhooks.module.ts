import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { WebhookEvent } from './webhook-event.entity.js';
import { WebhookOutbox } from './webhook-outbox.service.js';
import { WebhookSenderService } from './webhook-sender.service.js';
import { WebhookStore } from './webhook.store.js';

/** Tells another service what happened to users and logins (Standard Webhooks). */
@Module({
  imports: [AuditModule, TypeOrmModule.forFeature([WebhookEvent])],
  providers: [WebhookOutbox, WebhookSenderService, WebhookStore],
  exports: [WebhookOutbox, WebhookSenderService, WebhookStore],
})
export class WebhooksModule {}
