import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { sql } from '../../helpers/client.js';
import { CALLS, endsBoth } from './ended-sessions.js';
import type { Change } from './ended-sessions.js';
import { SECRET } from './session-client.js';

const DROP_REFERENCE = `DROP TABLE order_drafts`;
const referenceThat = (checks: string) => `
  CREATE TABLE order_drafts (session_sid varchar NOT NULL REFERENCES session (sid) ${checks});
  INSERT INTO order_drafts SELECT sid FROM session`;

const DROP_TRIGGER = `DROP FUNCTION product_rule() CASCADE`;
const triggerThat = (does: string) => `
  CREATE FUNCTION product_rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${does}; END $$;
  CREATE TRIGGER product_rule BEFORE DELETE ON session FOR EACH ROW EXECUTE FUNCTION product_rule()`;

/** What a product or its operator does to the table while the service runs. */
const CHANGES: Readonly<Record<string, Change>> = {
  'that a foreign key refers to': { apply: referenceThat(''), undo: DROP_REFERENCE },
  'that a deferred foreign key refers to': {
    apply: referenceThat('DEFERRABLE INITIALLY DEFERRED'),
    undo: DROP_REFERENCE,
  },
  'whose trigger refuses a DELETE': {
    apply: triggerThat(`RAISE EXCEPTION 'sessions are kept for the audit'`),
    undo: DROP_TRIGGER,
  },
  'whose trigger refuses a DELETE as if the server were busy': {
    apply: triggerThat(`RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'`),
    undo: DROP_TRIGGER,
  },
  'whose trigger leaves a DELETE out': { apply: triggerThat('RETURN NULL'), undo: DROP_TRIGGER },
  'whose rule leaves a DELETE out': {
    apply: `CREATE RULE product_rule AS ON DELETE TO session DO INSTEAD NOTHING`,
    undo: `DROP RULE product_rule ON session`,
  },
  'without the privilege DELETE': {
    apply: `REVOKE DELETE ON session FROM CURRENT_USER`,
    undo: `GRANT DELETE ON session TO CURRENT_USER`,
  },
  'without the privileges UPDATE and DELETE': {
    apply: `REVOKE UPDATE, DELETE ON session FROM CURRENT_USER`,
    undo: `GRANT UPDATE, DELETE ON session TO CURRENT_USER`,
    writesNothing: true,
  },
};

describe('a table of sessions', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET } });
  });
  afterEach(() => sql(node, `DELETE FROM session`));
  afterAll(() => node.close());

  describe.each(Object.entries(CHANGES))('%s', (_, change) => {
    it.each(Object.entries(CALLS))('does not prevent %s from revoking sessions', (__, call) =>
      endsBoth(node, call, change),
    );
  });
});
