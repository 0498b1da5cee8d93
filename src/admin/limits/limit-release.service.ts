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
import { ADDRESS_BUCKETS } from '../../limits/bucket.js';
import { networksAround, networksOf, subjectOf } from '../../limits/client-address.js';
import { counterKey } from '../../limits/counter-key.js';
import { RateLimitService } from '../../limits/limits.service.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { normaliseUsername } from '../../users/username.js';
import type { BlockedDto, BlockedListDto, BlockedQueryDto } from './limits.dto.js';

/** The topic that makes every node forget which subjects it has refused. */
const TOPIC = 'limits';

const USER_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DIGEST = /^[0-9a-f]{32}$/;

const ADDRESSES: ReadonlySet<string> = new Set(ADDRESS_BUCKETS);

/**
 * Addresses and accounts that are refused by a rate limit, and their release. Several counters refuse a caller independently of each
 * other: each bucket of the address and of the networks around it, the passwords of the account from unknown devices and from each known
 * one, and the failed logins in a row. A release empties all of them in one transaction, which also makes every node forget what it
 * refuses from memory.
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
    await this.writer.write();
    const name = username === undefined ? undefined : normaliseUsername(username)?.key;
    if (username !== undefined && name === undefined) return { blocked: [], next_cursor: null };
    const ids =
      ip === undefined ? undefined : networksOf(ip).map(({ subject }) => ownerDigest('login', subject));
    const filter = { kind, ids, usernameKey: name };
    const page = await this.store.page(filter, ADDRESS_BUCKETS, limit, cursor);
    return { blocked: page.blocked.map(viewOf), next_cursor: page.next_cursor };
  }

  /**
   * Releases an address or an account by its id in the list. The next call is admitted on this node at once, and on the others within a
   * second. The release of an account includes the address that its blocked calls came from: otherwise that address would still refuse the
   * same user. Throws 404 if nothing is blocked under this id.
   */
  async release(id: string, origin: Origin, actorId: string): Promise<void> {
    if (!USER_ID.test(id) && !DIGEST.test(id)) throw refuse('not_found');
    await this.writer.write();
    const user = USER_ID.test(id) ? await this.users.find(id) : undefined;
    const released = await this.database.transaction(async (sql) => {
      const noted = await this.store.find(sql, id);
      if (noted.length === 0 && user === undefined) return false;
      const addresses = new Set(noted.flatMap(({ address }) => address ?? []));
      const keys = [
        ...noted.map(({ key }) => key),
        ...keysOfAddresses([...addresses]),
        ...(user === undefined ? [] : keysOfUser(user)),
      ];
      await this.store.release(sql, [...new Set(keys)]);
      await this.state.bump(sql, TOPIC);
      await this.note(
        sql,
        id,
        { addresses: [...addresses], isAddress: noted.some(isOfAddress) },
        origin,
        actorId,
      );
      return true;
    });
    if (!released) throw refuse('not_found');
    this.limiter.forgetBlocks();
    this.feed.hint();
  }

  private async note(
    sql: Sql,
    id: string,
    { addresses, isAddress }: { readonly addresses: readonly string[]; readonly isAddress: boolean },
    origin: Origin,
    actorId: string,
  ): Promise<void> {
    const userId = USER_ID.test(id) ? id : undefined;
    const detail = addresses.length === 0 ? {} : { addresses };
    const event = userId === undefined && isAddress ? 'service' : 'user';
    await this.audit.add({ event, cause: 'limits_released', userId, actorId, detail }, origin, sql);
  }
}

function keysOfAddresses(addresses: readonly string[]): string[] {
  const subjects = addresses.flatMap((address) => networksAround(subjectOf(address)));
  return subjects.flatMap((subject) => ADDRESS_BUCKETS.map((bucket) => counterKey(bucket, subject)));
}

/** The counters of the account by name, by external id and over all known devices. */
function keysOfUser({ id, usernameKey, externalId }: User): string[] {
  const accounts = externalId === null ? [usernameKey] : [usernameKey, `\0${externalId}`];
  return [
    counterKey('device_user', id),
    ...accounts.flatMap((account) => [counterKey('account', account), counterKey('login_failures', account)]),
  ];
}

function isOfAddress({ scope }: { readonly scope: string }): boolean {
  return ADDRESSES.has(scope);
}

function viewOf({ id, user_id, username, external_id, scopes, until, address }: BlockedOwner): BlockedDto {
  const kind = scopes.some(isOfAddress) ? 'address' : 'account';
  return { id, kind, address, user_id, username, external_id, scopes, until };
}
