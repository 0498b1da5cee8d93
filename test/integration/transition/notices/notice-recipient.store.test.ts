import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NoticeRecipientStore } from '../../../../src/transition/notices/notice-recipient.store.js';
import { NoticeStore } from '../../../../src/transition/notices/notice.store.js';
import { createTestDatabase } from '../../../helpers/database.js';
import type { TestDatabase } from '../../../helpers/database.js';

describe('the recipients of a notice', () => {
  let db: TestDatabase;
  let store: NoticeRecipientStore;
  beforeAll(async () => {
    db = await createTestDatabase();
    store = new NoticeRecipientStore(db.database);
  });
  afterAll(() => db.drop());

  async function queueNotice(): Promise<string> {
    const [userId, id] = [randomUUID(), randomUUID()];
    await db.database.query(
      `INSERT INTO users (id, username, username_key, email) VALUES ($1, 'ada', 'ada', 'ada@example.com')`,
      [userId],
    );
    const notice = { id, createdBy: userId, days: 30, subject: 's', text: 't', sunsetAt: null };
    await new NoticeStore(db.database).add(db.database, notice);
    await store.add(db.database, id, [{ userId, userAgent: 'OldClient/1.0', lastSeen: new Date() }]);
    return id;
  }

  it('need a sender while a notice is unfinished, unless a living session is sending', async () => {
    expect(await store.needSender()).toBe(false);
    const id = await queueNotice();
    expect(await store.needSender()).toBe(true);

    const ends = new Error('the session ends');
    const session = db.database.session(async (sql) => {
      expect(await store.claim(sql)).toMatchObject({ noticeId: id, email: 'ada@example.com' });
      expect(await store.needSender()).toBe(false);
      await db.database.query(`UPDATE notice_recipients SET claimed_at = now() - interval '31 seconds'`);
      expect(await store.needSender()).toBe(true);
      await db.database.query(`UPDATE notice_recipients SET claimed_at = now()`);
      expect(await store.needSender()).toBe(false);
      throw ends;
    });
    await expect(session).rejects.toBe(ends);

    await expect.poll(() => store.needSender()).toBe(true);
    await db.database.query(`UPDATE notice_recipients SET state = 'failed'`);
    await new NoticeStore(db.database).finish();
    expect(await store.needSender()).toBe(false);
  });
});
