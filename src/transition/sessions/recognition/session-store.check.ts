import { Inject } from '@nestjs/common';
import { DoctorCheck, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { SessionTable } from '../table/session-table.js';
import { shownName } from '../table/table-name.js';
import { ForeignTablesStore } from './foreign-tables.store.js';
import { storeOfCookie, storeOfTable } from './known-stores.js';

const CHECK = 'session_store';

/** Recognises where the product keeps its sessions, while Tandem uses a table of its own. */
@DoctorCheck()
export class SessionStoreCheck implements Examination {
  constructor(
    private readonly tables: ForeignTablesStore,
    private readonly table: SessionTable,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    if (this.config.redis !== undefined) return [ok(CHECK, 'sessions are in Redis')];
    if (!this.table.isOwn) return [ok(CHECK, `sessions are in the table ${this.table.shown} of the product`)];
    const found = (await this.tables.candidates()).flatMap((table) => {
      const store = storeOfTable(table.columns);
      return store === undefined ? [] : [{ shown: shownName(table), store }];
    });
    const findings = found.map(({ shown, store }) =>
      warn(CHECK, `the table ${shown} looks like sessions of ${store.name}, and is not used`, store.advice),
    );
    return [...findings, ...this.ofCookie(findings.length > 0)];
  }

  /** The name alone says little, so it is a hint only. */
  private ofCookie(hasTable: boolean): Finding[] {
    const own = ok(CHECK, `sessions are in Tandem's own table ${this.table.shown}`);
    if (hasTable) return [];
    const store = storeOfCookie(this.config.sessionCookieName, '');
    if (store === undefined) return [own];
    return [
      warn(
        CHECK,
        `SESSION_COOKIE_NAME (${this.config.sessionCookieName}) is a cookie of ${store.name}, but no table of its sessions was found here`,
        store.advice,
      ),
    ];
  }
}
