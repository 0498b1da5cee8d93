import { describe, expect, it } from 'vitest';
import { bodyOf, headersOf, webhookKey } from '../../../src/webhooks/webhook-message.js';
import type { DueEvent } from '../../../src/webhooks/webhook.store.js';

const EVENT: DueEvent = {
  seq: '41',
  id: '0f6c3c1e-8a51-4b6f-9a0e-6d2b8f3c7a11',
  type: 'user.changed',
  userId: '96973f42-5c90-47e3-b104-2bac53b283f0',
  externalId: '4711',
  sid: null,
  state: 'disabled',
  reason: null,
  changed: ['disabled', 'role'],
  createdAt: new Date('2026-11-30T05:00:00.000Z'),
  attempts: 1,
};

describe('a webhook', () => {
  it('has the signature of the example in the Standard Webhooks specification', () => {
    const key = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    // The specification's id has no UUID behind its prefix.
    const headers = headersOf('p5jXN8AQM9LWM0D4loKWxJek', '{"test": 2432232314}', key, 1_614_265_330);
    expect(headers).toMatchObject({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('carries ids, the state and the version, and only the members that its event has', () => {
    expect(JSON.parse(bodyOf(EVENT))).toEqual({
      type: 'user.changed',
      timestamp: '2026-11-30T05:00:00.000Z',
      data: {
        user_id: EVENT.userId,
        external_id: '4711',
        version: 41,
        state: 'disabled',
        changed: ['disabled', 'role'],
      },
    });
    const login = {
      ...EVENT,
      type: 'login.revoked',
      state: 'revoked',
      sid: EVENT.id,
      reason: 'logout',
    } as const;
    expect(JSON.parse(bodyOf({ ...login, externalId: null, changed: null }))).toMatchObject({
      data: {
        user_id: EVENT.userId,
        external_id: null,
        version: 41,
        state: 'revoked',
        sid: EVENT.id,
        reason: 'logout',
      },
    });
  });
});
