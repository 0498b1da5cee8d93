import { createHmac } from 'node:crypto';
import type { DueEvent } from './webhook.store.js';

/** The secret of Standard Webhooks: `whsec_` and the key in base64. */
const SECRET_PREFIX = 'whsec_';

/** The key in a valid `WEBHOOK_SECRET`. */
export function webhookKey(secret: string): Buffer {
  return Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64');
}

/** The body of an event: the same bytes in each attempt. */
export function bodyOf({
  seq,
  type,
  userId,
  externalId,
  sid,
  state,
  reason,
  changed,
  createdAt,
}: DueEvent): string {
  return JSON.stringify({
    type,
    timestamp: createdAt.toISOString(),
    data: {
      user_id: userId,
      external_id: externalId,
      version: Number(seq),
      state,
      ...(sid === null ? {} : { sid }),
      ...(reason === null ? {} : { reason }),
      ...(changed === null ? {} : { changed }),
    },
  });
}

/** The headers of one attempt (Standard Webhooks). `seconds`: the time of the attempt. */
export function headersOf(id: string, body: string, key: Buffer, seconds: number): Record<string, string> {
  const webhookId = `msg_${id}`;
  const mac = createHmac('sha256', key).update(`${webhookId}.${seconds}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'user-agent': 'tandem-webhooks',
    'webhook-id': webhookId,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${mac}`,
  };
}
