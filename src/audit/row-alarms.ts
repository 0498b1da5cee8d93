import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../database/database.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { NO_ORIGIN } from './audit-context.js';
import { AuditStore } from './audit.store.js';

/** The tables whose rows are trusted only with a MAC, and the event under which an alarm about them is audited. */
const EVENTS = { signing_keys: 'key', oauth_clients: 'client', service_state: 'service' } as const;

export type GuardedTable = keyof typeof EVENTS;

/** A row that this service did not write as it is now. */
export interface RowAlarm {
  readonly id: string;
  /** A fixed word. */
  readonly reason: string;
  /** For people: what was done about it. */
  readonly message: string;
}

export interface TableAlarm extends RowAlarm {
  readonly table: GuardedTable;
}

/** Alarms per table that are logged and audited at once; somebody who can write rows can write many. */
const MAX_TOLD = 20;

/** Characters of an id that are kept; an id in the database may be any text. */
const MAX_ID = 64;

/**
 * Collects the rows that somebody else than this service has written. Each is logged once by each process and audited once a day by
 * all nodes together. It stays an alarm, in the metrics and for the doctor, until the row is right or gone.
 */
@Injectable()
export class RowAlarms {
  private readonly logger = new Logger(RowAlarms.name);
  private readonly tables = new Map<GuardedTable, Map<string, RowAlarm>>();
  /** Alarms that are not in the audit trail yet, because the database did not answer. */
  private readonly unaudited = new Map<string, Omit<TableAlarm, 'message'>>();
  private auditing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
  ) {}

  /** `alarms` are all that there are about this table now. Does not wait for the audit. */
  replace(table: GuardedTable, alarms: readonly RowAlarm[]): void {
    const before = this.tables.get(table);
    const now = new Map(alarms.map((alarm) => [keyOf(alarm), alarm]));
    this.tables.set(table, now);
    const fresh = [...now].filter(([key]) => before?.has(key) !== true).map(([, alarm]) => alarm);
    for (const alarm of fresh.slice(0, MAX_TOLD)) this.tell(table, alarm);
    if (fresh.length > MAX_TOLD)
      this.logger.error(`${table}: ${fresh.length - MAX_TOLD} more rows were not written by this service`);
    if (this.unaudited.size > 0) this.auditing = this.auditing.then(() => this.auditAll());
  }

  raise(table: GuardedTable, alarm: RowAlarm): void {
    const others = [...(this.tables.get(table)?.values() ?? [])].filter(({ id }) => id !== alarm.id);
    this.replace(table, [...others, alarm].slice(-1_000));
  }

  clear(table: GuardedTable, id: string): void {
    const alarms = this.tables.get(table);
    for (const [key, alarm] of alarms ?? []) if (alarm.id === id) alarms?.delete(key);
  }

  all(): TableAlarm[] {
    return [...this.tables].flatMap(([table, alarms]) =>
      [...alarms.values()].map((alarm) => ({ ...alarm, id: alarm.id.slice(0, MAX_ID), table })),
    );
  }

  /** How many there are about each table. */
  counts(): Record<GuardedTable, number> {
    const count = (table: GuardedTable) => this.tables.get(table)?.size ?? 0;
    return {
      signing_keys: count('signing_keys'),
      oauth_clients: count('oauth_clients'),
      service_state: count('service_state'),
    };
  }

  private tell(table: GuardedTable, { id, reason, message }: RowAlarm): void {
    const shown = id.slice(0, MAX_ID);
    this.logger.error(
      { table, id: shown, reason },
      `a row was written or changed by somebody else: ${message}`,
    );
    this.unaudited.set(JSON.stringify([table, id, reason]), { table, id: shown, reason });
  }

  private async auditAll(): Promise<void> {
    for (const [key, { table, id, reason }] of this.unaudited) {
      const entry = { event: EVENTS[table], cause: 'refused', detail: { table, id, reason } };
      try {
        // Under this lock, nodes that find the same row at once write one event.
        await this.database.transaction(async (sql) => {
          await this.state.lock(sql);
          await this.audit.addDaily(entry, NO_ORIGIN, sql);
        });
        this.unaudited.delete(key);
      } catch (error) {
        return this.logger.warn({ err: error }, 'an alarm could not be audited yet');
      }
    }
  }
}

function keyOf({ id, reason }: RowAlarm): string {
  return JSON.stringify([id, reason]);
}
