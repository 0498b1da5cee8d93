import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditRetentionService } from '../../../src/audit/sealing/audit-retention.service.js';
import { AuditSealerService } from '../../../src/audit/sealing/audit-sealer.service.js';
import type { Sealing } from '../../../src/audit/sealing/audit-sealer.service.js';
import { AuditVerifierService } from '../../../src/audit/sealing/audit-verifier.service.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { ChainHeadService } from '../../../src/audit/sealing/chain-head.service.js';
import { SealKeys } from '../../../src/audit/sealing/seal-keys.js';
import { SealStore } from '../../../src/audit/sealing/seal.store.js';
import { SealingJob } from '../../../src/audit/sealing/sealing.job.js';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import type { Config } from '../../../src/config/config.js';
import type { Sql } from '../../../src/database/database.js';
import type { TestDatabase } from '../../helpers/database.js';

export const OLD = 'the previous secret, 0123456789 abc';
export const NEW = 'the secret of today, 9876543210 xyz';

/** A seal store whose clock is so many days behind. */
class SealStoreOfThePast extends SealStore {
  ago = 0;

  override async clock(sql?: Sql): Promise<string> {
    return String(BigInt(await super.clock(sql)) - BigInt(this.ago) * 86_400_000_000n);
  }
}

/** The audit feature of one node, wired by hand. `stop` removes its folder. */
export async function anAuditNode(db: TestDatabase, more: Partial<Config> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'tandem-audit-'));
  const config = {
    jwtSecret: OLD,
    jwtSecretPrevious: undefined,
    auditRetentionDays: 0,
    dataDir,
    ...more,
  } as Config;
  const store = new SealStoreOfThePast(db.database);
  const audit = new AuditStore(db.database);
  const keys = new SealKeys(config);
  const noted = new ChainHeadService(store, audit, config);
  const sealer = new AuditSealerService(store, keys, noted);
  return {
    dataDir,
    store,
    audit,
    noted,
    sealer,
    job: new SealingJob(sealer, new BackgroundLoops(false)),
    verifier: new AuditVerifierService(store, keys, noted),
    retention: new AuditRetentionService(store, keys, config),
    stop: () => rm(dataDir, { recursive: true, force: true }),
    /** Seals all events, as if so many days ago. */
    async seal(ago = 0): Promise<Sealing> {
      store.ago = ago;
      let sealing = await sealer.seal();
      while (sealing.outcome === 'more') sealing = await sealer.seal();
      store.ago = 0;
      return sealing;
    },
  };
}

export type AuditNode = Awaited<ReturnType<typeof anAuditNode>>;
