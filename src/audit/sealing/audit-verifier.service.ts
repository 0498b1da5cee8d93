import { Injectable } from '@nestjs/common';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { EventReader } from './event-reader.js';
import { REFUSAL_DAYS } from './audit-retention.service.js';
import { ChainHeadService } from './chain-head.service.js';
import type { Head } from './chain-head.service.js';
import { MAX_UNSEALED_SECONDS } from './sealing.job.js';
import { SealKeys } from './seal-keys.js';
import { SealHash, checkRemoval, checkSeal } from './seal.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';
import * as find from './audit-finding.js';
import type { Finding } from './audit-finding.js';

/** Seals in memory at a time. */
const PAGE_SIZE = 500;

/** Findings in a report. Further ones would add nothing. */
const MAX_FINDINGS = 100;

export interface Verification {
  /** Whether nothing was changed, removed or inserted. */
  readonly intact: boolean;
  /** How many of each were verified. */
  readonly seals: number;
  readonly events: number;
  /** The end of the chain. Keep it elsewhere, and pass it to a later verification. */
  readonly head: Head | null;
  /** Events that no seal covers yet. */
  readonly unsealed: number;
  readonly findings: readonly Finding[];
}

/** The end of the chain of seals. */
export interface ChainEnd {
  readonly newest: Seal | undefined;
  /** Events that no seal covers yet. */
  readonly unsealed: number;
  readonly findings: readonly Finding[];
}

interface Pass {
  seals: number;
  events: number;
  newest: Seal | undefined;
  readonly findings: Finding[];
}

/** Compares the audit trail with its seals. Memory does not grow with the length of the trail. */
@Injectable()
export class AuditVerifierService {
  constructor(
    private readonly store: SealStore,
    private readonly keys: SealKeys,
    private readonly chainHead: ChainHeadService,
  ) {}

  /** `head`: an earlier end of the chain, which the chain must still contain. */
  async verify(head?: Head, onEvents: (count: number) => void = () => {}): Promise<Verification> {
    let pass = await this.walk(onEvents);
    // Retention may have removed events during the walk.
    for (let retries = 0; retries < 3 && pass === 'moved'; retries++) pass = await this.walk(onEvents);
    if (pass === 'moved')
      throw new Error('retention keeps removing events during the verification: try again');
    const { seals, events, newest, findings } = pass;
    findings.push(...(await this.end(newest, head)));
    const { count: unsealed, late } = await this.unsealed(newest);
    findings.push(...late);
    return {
      intact: findings.every(({ kind }) => kind === 'unsealed'),
      seals,
      events,
      head: newest === undefined ? null : { id: newest.id, hash: newest.hash.toString('hex') },
      unsealed,
      findings: findings.slice(0, MAX_FINDINGS),
    };
  }

  /** Checks the end of the chain quickly: made by this service, not truncated, and up to date. */
  async verifyEnd(): Promise<readonly Finding[]> {
    return (await this.examineEnd()).findings;
  }

  /** Checks the end of the chain like {@link verifyEnd}. Also returns the newest seal, and how many events no seal covers yet. */
  async examineEnd(): Promise<ChainEnd> {
    const newest = await this.store.newest();
    const forged =
      newest !== undefined && checkSeal(newest, this.keys) === 'wrong' ? [find.forged(newest)] : [];
    const end = await this.end(newest, undefined);
    const { count: unsealed, late } = await this.unsealed(newest);
    return { newest, unsealed, findings: [...forged, ...end, ...late] };
  }

  private async unsealed(
    newest: Seal | undefined,
  ): Promise<{ readonly count: number; readonly late: Finding[] }> {
    const { count, age } = await this.store.above(newest?.lastId ?? '0');
    return { count, late: (age ?? 0) > MAX_UNSEALED_SECONDS ? [find.unsealed(count, newest)] : [] };
  }

  private async walk(onEvents: (count: number) => void): Promise<Pass | 'moved'> {
    const last = await this.store.newest();
    const [oldest] = await this.store.from('0', 1);
    const pass: Pass = { seals: 0, events: 0, newest: undefined, findings: [] };
    if (last === undefined || oldest === undefined) return pass;
    const removed = await this.beginning(oldest, pass);
    const begin = removed ? BigInt(oldest.lastId) + 1n : BigInt(oldest.firstId);
    const reader = new EventReader(this.store, String(begin), last.lastId);
    let page = await this.store.from(oldest.id, PAGE_SIZE);
    while (page.length > 0) {
      for (const seal of page) {
        if (BigInt(seal.id) > BigInt(last.id)) break;
        const before = pass.findings.length;
        if (pass.newest !== undefined) pass.findings.push(...links(pass.newest, seal));
        if (!(removed && seal.id === oldest.id)) await this.content(seal, reader, pass, onEvents);
        if (pass.findings.length > before && (await this.moved(oldest))) return 'moved';
        pass.newest = seal;
        pass.seals += 1;
      }
      page =
        BigInt(page.at(-1)!.id) >= BigInt(last.id)
          ? []
          : await this.store.from(String(BigInt(page.at(-1)!.id) + 1n), PAGE_SIZE);
    }
    return pass;
  }

  /** True if retention has removed the events of the oldest seal. */
  private async beginning(oldest: Seal, { findings }: Pass): Promise<boolean> {
    const removal = checkRemoval(oldest, this.keys);
    const removed = removal === 'right' || removal === 'unknown_key';
    if (removal === 'wrong' || (removal === 'none' && oldest.id !== '1'))
      findings.push(find.beginning(oldest));
    if (removal === 'unknown_key') findings.push(find.unknownKey(oldest));
    const first = removed ? String(BigInt(oldest.lastId) + 1n) : oldest.firstId;
    const { first: from, last: to, count } = await this.store.below(first);
    if (from !== null && to !== null) findings.push(find.before(from, to, count));
    return removed;
  }

  private async content(
    seal: Seal,
    reader: EventReader,
    pass: Pass,
    onEvents: (count: number) => void,
  ): Promise<void> {
    let found = await this.examine(seal, reader);
    pass.events += found.count;
    onEvents(found.count);
    // Retention may have removed the refusals of this seal during the walk.
    if (!found.equal && seal.refusals !== null && seal.refusals > 0)
      found = await this.examine(seal, new EventReader(this.store, seal.firstId, seal.lastId));
    if (!found.equal) pass.findings.push(find.content(seal, found.count + found.removed));
    if (checkSeal(seal, this.keys) === 'wrong') pass.findings.push(find.forged(seal));
    if (seal.removedMac !== null) pass.findings.push(find.forged(seal));
  }

  /** `removed`: how many refusals retention has removed. */
  private async examine(
    seal: Seal,
    reader: EventReader,
  ): Promise<{ readonly count: number; readonly removed: number; readonly equal: boolean }> {
    const { refusals, refusalsHash } = seal;
    const sealed = refusals === null || refusalsHash === null ? undefined : { refusals, refusalsHash };
    const hash = new SealHash({ separateRefusals: sealed !== undefined });
    for await (const event of reader.upTo(seal.lastId)) {
      // Events in a gap between two seals are reported with the gap.
      if (BigInt(event.id) >= BigInt(seal.firstId)) hash.add(event);
    }
    const present = hash.refusalsDigest();
    const removed = sealed !== undefined && present?.refusals === 0 && (await this.mayLackRefusals(seal));
    const equal = sameSecret(hash.digest(seal, removed ? sealed : present), seal.hash);
    return { count: hash.count, removed: removed ? sealed.refusals : 0, equal };
  }

  /** The hash covers the time in the seal, so the time is trustworthy. */
  private async mayLackRefusals({ sealedAt }: Seal): Promise<boolean> {
    const age = BigInt(await this.store.clock()) - BigInt(sealedAt);
    return age > BigInt(REFUSAL_DAYS) * 86_400_000_000n;
  }

  private async moved(oldest: Seal): Promise<boolean> {
    const [now] = await this.store.from('0', 1);
    return now?.id !== oldest.id || (now.removedMac !== null) !== (oldest.removedMac !== null);
  }

  private async end(newest: Seal | undefined, head: Head | undefined): Promise<Finding[]> {
    const findings: Finding[] = [];
    // A seal with a known key also verifies the seals before it, even if their keys are unknown.
    if (newest !== undefined && checkSeal(newest, this.keys) === 'unknown_key')
      findings.push(find.unknownKey(newest));
    const recorded = await this.chainHead.read();
    if (recorded !== undefined && !(await this.chainHead.isIntact())) findings.push(find.truncated(recorded));
    if (head !== undefined && !(await this.chainHead.contains(head))) findings.push(find.truncated(head));
    // In this order: the sequence has assigned the id of every event that is written in between.
    const top = await this.store.highest();
    const lastAllocatedId = await this.store.lastAllocatedId();
    const highest = [BigInt(top), BigInt(newest?.lastId ?? 0)].reduce((a, b) => (a > b ? a : b));
    if (highest > BigInt(lastAllocatedId)) findings.push(find.beyond(lastAllocatedId, String(highest)));
    return findings;
  }
}

/** Findings if the seal does not follow the one before. */
function links(before: Seal, seal: Seal): Finding[] {
  if (BigInt(seal.id) !== BigInt(before.id) + 1n) return [find.missing(before, seal)];
  if (BigInt(seal.firstId) !== BigInt(before.lastId) + 1n || !sameSecret(seal.previous, before.hash))
    return [find.broken(before, seal)];
  return [];
}
