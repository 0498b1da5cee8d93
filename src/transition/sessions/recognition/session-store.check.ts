import { Inject } from '@nestjs/common';
import { DoctorCheck, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { SessionTable } from '../table/session-table.js';
import { shownName } from '../table/table-name.js';
import { ForeignTablesStore } from './foreign-tables.store.js';
import { knownCookieIn, storeOfCookie, storeOfTable } from './known-stores.js';

const CHECK = 'session_store';

/** Recognises where the product keeps its sessions: by the tables that it finds, and by a cookie that the operator gives. */
@DoctorCheck({
  option: 'cookie',
  description: 'recognise the library of a session cookie, which is read from stdin and not shown',
  what: 'Cookie',
})
export class SessionStoreCheck implements Examination {
  constructor(
    private readonly tables: ForeignTablesStore,
    private readonly table: SessionTable,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  /** `cookie`: of a user who is logged in at the product. It is a credential: no finding contains any part of its value. */
  async examine(cookie?: string): Promise<Finding[]> {
    if (cookie === undefined) return this.ofStore(false);
    return [this.ofCookie(cookie), ...(await this.ofStore(true))];
  }

  private async ofStore(hasCookie: boolean): Promise<Finding[]> {
    const used = this.used();
    if (used !== undefined) return [ok(CHECK, `sessions are in ${used}`)];
    const found = (await this.tables.candidates()).flatMap((table) => {
      const store = storeOfTable(table.columns);
      return store === undefined ? [] : [{ shown: shownName(table), store }];
    });
    const findings = found.map(({ shown, store }) =>
      warn(CHECK, `the table ${shown} looks like sessions of ${store.name}, and is not used`, store.advice),
    );
    return findings.length > 0 ? findings : [this.ofName(hasCookie)];
  }

  /** The store of the product that Tandem uses. Undefined: only Tandem's own table. */
  private used(): string | undefined {
    if (this.config.redis !== undefined) return 'Redis';
    if (this.config.callback !== undefined) return 'the product, which answers SESSION_CALLBACK_URL';
    return this.table.isOwn ? undefined : `the table ${this.table.shown} of the product`;
  }

  private ofCookie(given: string): Finding {
    const cookie = knownCookieIn(given, this.config.sessionCookieName);
    if (cookie === undefined)
      return warn(
        CHECK,
        'the cookie has the form of no library that Tandem knows',
        'ask the product with SESSION_STORE=callback: see docs/adopt/sessions.md',
      );
    const { name, store } = cookie;
    const found = `the cookie ${name} has the form of ${store.name}`;
    if (name !== this.config.sessionCookieName)
      return warn(CHECK, found, `set SESSION_COOKIE_NAME=${name}; ${store.advice}`);
    return this.used() === undefined ? warn(CHECK, found, store.advice) : ok(CHECK, found);
  }

  /** The name alone says little, so it is a hint only. */
  private ofName(hasCookie: boolean): Finding {
    const store = hasCookie ? undefined : storeOfCookie(this.config.sessionCookieName);
    if (store === undefined) return ok(CHECK, `sessions are in Tandem's own table ${this.table.shown}`);
    return warn(
      CHECK,
      `SESSION_COOKIE_NAME (${this.config.sessionCookieName}) is a cookie of ${store.name}, but no table of its sessions was found here`,
      store.advice,
    );
  }
}
