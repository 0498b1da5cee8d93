import { DoctorCheck, ok, warn } from '../../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../../admin/cli/doctor/doctor-check.js';
import { SessionAttachmentStore } from './session-attachment.store.js';
import { SessionTable } from './session-table.js';

const CHECK = 'session_extras';

/** Prints the optional index and trigger for the table of a product. */
@DoctorCheck()
export class SessionAttachmentsCheck implements Examination {
  constructor(
    private readonly store: SessionAttachmentStore,
    private readonly table: SessionTable,
  ) {}

  async examine(): Promise<Finding[]> {
    if (this.table.isOwn) return [];
    const state = await this.store.state();
    // The check of the table reports that it is gone.
    if (state === undefined) return [];
    if (state.useless.length > 0)
      return [
        warn(
          CHECK,
          `outdated or incomplete indexes on the table ${this.table.shown}: ${state.useless.join(', ')}`,
          'replace them with npm run admin -- sessions attach, or remove them with npm run admin -- sessions detach',
        ),
      ];
    const missing = this.store.missing(state);
    if (missing.length === 0)
      return [
        ok(CHECK, `attached to the table ${this.table.shown}; npm run admin -- sessions detach removes them`),
      ];
    return [
      ok(
        CHECK,
        `nothing needs to be done. Optional for a large table ${this.table.shown}: npm run admin -- sessions attach runs ${missing.join(' ')}`,
      ),
    ];
  }
}
