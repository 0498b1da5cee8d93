import { setTimeout as delay } from 'node:timers/promises';
import type { TestApp } from './app.js';

/** How long a connection may be silent, in milliseconds. */
const SILENCE = 1_000;

/** For a node that closes a connection soon when nothing is sent. */
export const HASTY = {
  head: 10_000,
  request: 10_000,
  silence: SILENCE,
  idle: 10_000,
  check: 1_000,
  readinessDelay: 0,
  idleGrace: 0,
  drain: 1_000,
};

/** The answer to a call that has to wait, for longer than that and shorter than a statement may, for what the statement `hold` locks. */
export async function late<Answer>(
  { db }: TestApp,
  hold: string,
  values: readonly unknown[],
  begin: () => Promise<Answer>,
): Promise<Answer> {
  const { answer } = await db.database.transaction(async (sql) => {
    await sql.query(hold, values);
    const begun = begin();
    begun.catch(() => undefined);
    await delay(2.5 * SILENCE);
    return { answer: begun };
  });
  return answer;
}
