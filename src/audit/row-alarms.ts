import { Injectable, Logger } from '@nestjs/common';
import { Database } from '../database/database.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { NO_ORIGIN } from './audit-context.js';
import { AuditStore } from './audit.store.js';

/** The tables whose rows are trusted only with a MAC, and the event under which an alarm about them is audited. */
const EVENTS = { signing_keys: 'key', oauth_clients: 'client', service_state: 'service' } as const;

export type GuardedTable = keyof typeof EVENTS;

/** A row that somebody else than this service wrote or changed. */
export interface RowAlarm {
  readonly id: string;
  /** A fixed word. */
  readonly reason: string;
  /** A text for people: what the service did about it. */
  readonly message: string;
}

export interface TableAlarm extends RowAlarm {
  readonly table: GuardedTable;
}

/** Alarms per table that are logged and audited at once. An attacker who can write rows can write many. */
const MAX_REPORTED = 20;

/** The length to which an id is truncated. An id in the database may be any text. */
const MAX_ID_LENGTH = 64;

/**
 * Collects the rows that somebody else than this service has written. Each process logs an alarm once, and all nodes together audit it once
 * a day. The alarm stays in the metrics and in the doctor's report until the row is correct or removed.
 */
@Injectable()
export class RowAlarms {
  private readonly logger = new Logger(RowAlarms.name);
  private readonly tables = new Map<GuardedTable, Map<string, RowAlarm>>();
  /** Alarms that are not in the audit trail yet. */
  private readonly unaudited = new Map<string, Omit<TableAlarm, 'message'>>();
  private auditing: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
  ) {}

  /** Replaces all alarms about the table. Does not wait for the audit. */
  replace(table: GuardedTable, alarms: readonly RowAlarm[]): void {
    const before = this.tables.get(table);
    const now = new Map(alarms.map((alarm) => [keyOf(alarm), alarm]));
    this.tables.set(table, now);
    const fresh = [...now].filter(([key]) => before?.has(key) !== true).map(([, alarm]) => alarm);
    for (const alarm of fresh.slice(0, MAX_REPORTED)) this.report(table, alarm);
    if (fresh.length > MAX_REPORTED)
      this.logger.error(
        `${table}: ${fresh.length - MAX_REPORTED} more rows were not written by this service`,
      );
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
      [...alarms.values()].map((alarm) => ({ ...alarm, id: alarm.id.slice(0, MAX_ID_LENGTH), table })),
    );
  }

  /** The number of alarms per table. */
  counts(): Record<GuardedTable, number> {
    const count = (table: GuardedTable) => this.tables.get(table)?.size ?? 0;
    return {
      signing_keys: count('signing_keys'),
      oauth_clients: count('oauth_clients'),
      service_state: count('service_state'),
    };
  }

  private report(table: GuardedTable, { id, reason, message }: RowAlarm): void {
    const shown = id.slice(0, MAX_ID_LENGTH);
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
        // With this lock, nodes that find the same row at once write only one event.
        await this.database.transaction(async (sql) => {
          await this.state.lock(sql);
          await this.audit.addDaily(entry, NO_ORIGIN, sql);
        });
        this.unaudited.delete(key);
      } catch (error) {
        return this.logger.warn({ err: error }, 'failed to audit an alarm; will retry');
      }
    }
  }
}

function keyOf({ id, reason }: RowAlarm): string {
  return JSON.stringify([id, reason]);
}
