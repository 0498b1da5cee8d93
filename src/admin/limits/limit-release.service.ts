import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { refuse } from '../../common/common.errors.js';
import { DEFAULT_LIMIT } from '../../common/http/pagination.js';
import { Database } from '../../database/database.js';
import type { Sql } from '../../database/database.js';
import { ServiceStateStore } from '../../database/service-state.store.js';
import { BlockedSubjectStore } from '../../limits/blocked/blocked-subject.store.js';
import type { BlockedOwner } from '../../limits/blocked/blocked-subject.store.js';
import { BlockedSubjectWriter } from '../../limits/blocked/blocked-subject.writer.js';
import { ownerDigest } from '../../limits/blocked/blocked-subjects.js';
import { ADDRESS_BUCKETS, isAddressBucket } from '../../limits/bucket.js';
import { canonicalAddress, networksAround, networksOf } from '../../limits/client-address.js';
import { counterKey, productAccount } from '../../limits/counter-key.js';
import { RateLimitService } from '../../limits/limits.service.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { normaliseUsername } from '../../users/username.js';
import { UUID } from '../request-rules.js';
import type { BlockedDto, BlockedListDto, BlockedQueryDto } from './limits.dto.js';

/** The topic that makes every node forget which subjects it has refused. */
const TOPIC = 'limits';

const DIGEST = /^[0-9a-f]{32}$/;

/**
 * Addresses and accounts that are refused by a rate limit, and their release. Several counters refuse a caller independently of each
 * other: each bucket of the address and of the networks around it, the passwords of the account from unknown devices and from each known
 * one, and the failed logins in a row.
 *
 * An account and an address are released separately. The address of somebody who guesses the passwords of an account stays blocked when the
 * account is released. A release empties its counters in one transaction, which also makes every node forget what it refuses from memory.
 */
@Injectable()
export class LimitReleaseService implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly store: BlockedSubjectStore,
    private readonly writer: BlockedSubjectWriter,
    private readonly limiter: RateLimitService,
    private readonly users: UserService,
    private readonly state: ServiceStateStore,
    private readonly audit: AuditStore,
    private readonly feed: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.feed.subscribe(TOPIC, () => {
      this.limiter.forgetBlocks();
      return Promise.resolve();
    });
  }

  /** What is blocked now. What another node has refused for the first time within the last second may be missing. */
  async list({
    kind,
    username,
    ip,
    limit = DEFAULT_LIMIT,
    cursor,
  }: BlockedQueryDto): Promise<BlockedListDto> {
    await this.written();
    const name = username === undefined ? undefined : normaliseUsername(username)?.key;
    if (username !== undefined && name === undefined) return { blocked: [], next_cursor: null };
    const ids = ip === undefined ? undefined : idsOfAddress(canonicalAddress(ip) ?? ip);
    const filter = { kind, ids, usernameKey: name };
    const { blocked, next_cursor } = await this.store.page(filter, limit, cursor);
    const addresses = await this.blockedAddresses(blocked);
    return { blocked: blocked.map((owner) => viewOf(owner, addresses)), next_cursor };
  }

  /**
   * Releases an address or an account by its id in the list, and nothing else: of an address that is blocked too, the list has the id. The
   * next call is admitted on this node at once, and on the others within a second. Throws 400 for a text that is no such id, and 404 if
   * nothing is blocked under it and no user has it.
   */
  async release(given: string, origin: Origin, actorId: string): Promise<void> {
    const id = given.toLowerCase();
    if (!UUID.test(id) && !DIGEST.test(id)) throw refuse('malformed_request');
    await this.written();
    const user = UUID.test(id) ? await this.users.find(id) : undefined;
    const outcome = await this.database.transaction(async (sql) => {
      const noted = await this.store.find(sql, id);
      if (noted.length === 0 && user === undefined) return 'unknown';
      const addresses = noted.flatMap((one) => (isAddressBucket(one.scope) ? (one.address ?? []) : []));
      const keys = [
        ...noted.map(({ key }) => key),
        ...keysOfAddresses(addresses),
        ...(user === undefined ? [] : keysOfUser(user)),
      ];
      const removed = await this.store.release(sql, [...new Set(keys)]);
      await this.note(sql, id, [...new Set(addresses)], origin, actorId);
      // Otherwise a script that releases nobody could make all nodes forget what they refuse.
      if (removed) await this.state.bump(sql, TOPIC);
      return removed ? 'released' : 'not_blocked';
    });
    if (outcome === 'unknown') throw refuse('not_found');
    if (outcome === 'not_blocked') return;
    this.limiter.forgetBlocks();
    this.feed.hint();
  }

  /** What this node has found full is in the list. If it cannot be written, the list lacks it, and the loop of the writer logs why. */
  private written(): Promise<void> {
    return this.writer.write().catch(() => undefined);
  }

  /** The addresses and networks among those of the accounts that are blocked themselves, by id. */
  private async blockedAddresses(owners: readonly BlockedOwner[]): Promise<ReadonlyMap<string, string>> {
    const ids = owners.filter(isAccount).flatMap(({ addresses }) => addresses.flatMap(idsOfAddress));
    if (ids.length === 0) return new Map();
    const { blocked } = await this.store.page({ ids, kind: 'address' }, ids.length);
    return new Map(blocked.map(({ id, addresses }) => [id, addresses[0]!]));
  }

  private async note(
    sql: Sql,
    id: string,
    addresses: readonly string[],
    origin: Origin,
    actorId: string,
  ): Promise<void> {
    const userId = UUID.test(id) ? id : undefined;
    const detail = addresses.length === 0 ? {} : { addresses };
    const event = addresses.length === 0 ? 'user' : 'service';
    await this.audit.add({ event, cause: 'limits_released', userId, actorId, detail }, origin, sql);
  }
}

/** The ids under which an address and the networks that it counts for are listed. */
function idsOfAddress(address: string): string[] {
  return networksOf(address).map(({ subject }) => ownerDigest('login', subject));
}

function keysOfAddresses(addresses: readonly string[]): string[] {
  const subjects = addresses.flatMap((address) => networksAround(address));
  return subjects.flatMap((subject) => ADDRESS_BUCKETS.map((bucket) => counterKey(bucket, subject)));
}

/** The counters of the account by name, by external id and over all known devices. */
function keysOfUser({ id, usernameKey, externalId }: User): string[] {
  const accounts = externalId === null ? [usernameKey] : [usernameKey, productAccount(externalId)];
  return [
    counterKey('device_user', id),
    ...accounts.flatMap((account) => [counterKey('account', account), counterKey('login_failures', account)]),
  ];
}

function isAccount({ scopes }: BlockedOwner): boolean {
  return !scopes.some(({ scope }) => isAddressBucket(scope));
}

function viewOf(owner: BlockedOwner, blocked: ReadonlyMap<string, string>): BlockedDto {
  const { id, user_id, username, external_id, scopes, until, addresses } = owner;
  const kind = isAccount(owner) ? 'account' : 'address';
  const ids = new Set(kind === 'address' ? [] : addresses.flatMap(idsOfAddress));
  return {
    id,
    kind,
    address: addresses[0] ?? null,
    blocked_addresses: [...ids].flatMap((one) =>
      blocked.has(one) ? { id: one, address: blocked.get(one)! } : [],
    ),
    user_id,
    username,
    external_id,
    scopes,
    until,
  };
}
