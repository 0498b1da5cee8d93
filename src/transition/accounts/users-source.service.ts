import { hash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { FamilyOwners } from '../../auth/refresh/family-owners.js';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { Clock } from '../../common/clock.js';
import { RecentMap } from '../../common/recent-map.js';
import { SharedWork } from '../../common/shared-work.js';
import type { UserDirectory } from '../../users/user-directory.js';
import type { User } from '../../users/user.entity.js';
import { isUuid, normaliseExternalId } from '../../users/external-id.js';
import { MissingUsersService } from './missing-users.service.js';
import { ProductAuthorityService } from '../../users/product-authority.service.js';
import { SourceAccountsService } from './source-accounts.service.js';
import { SourceFailure } from './source/source-failure.js';
import { sourceRow } from './source/source-row.js';
import type { SourceRow } from './source/source-row.js';
import { UsersSourceClient } from './source/users-source.client.js';
import { SourceStateStore } from './source-state.store.js';
import { SourceUserStore } from './source-user.store.js';
import type { Owner } from './source-user.store.js';

/** A session's user is asked for again if the last answer is older than this. */
const CONFIRMED_MS = 60_000;

/** How long this node remembers who owns a token family. */
const OWNER_MS = 60_000;

/** How many users and families this node remembers. */
const CAPACITY = 50_000;

/** A fault is logged and stored once in this time. */
const NOTE_INTERVAL_MS = 10_000;

/** No login form has longer names. */
const LONGEST_NAME = 512;

/** `same`: nothing has changed since this node asked last. `changed`: read the user or session again. */
export type Confirmation = 'same' | 'changed';

interface Confirmed {
  /** A digest of what the source said. */
  readonly digest: string;
  readonly at: number;
}

/** Asks the product for its users, as long as it owns them, and brings Tandem's users up to date with the answers. */
@Injectable()
export class UsersSourceService implements UserDirectory, FamilyOwners {
  private readonly logger = new Logger(UsersSourceService.name);
  private readonly confirmed = new RecentMap<Confirmed>(CAPACITY);
  private readonly owners = new RecentMap<Owner & { readonly until: number }>(CAPACITY);
  private readonly asking = new SharedWork<Confirmation>();
  private readonly admitting = new SharedWork<boolean>();
  private readonly noted = new Map<string, number>();

  constructor(
    private readonly source: UsersSourceClient,
    private readonly accounts: SourceAccountsService,
    private readonly store: SourceUserStore,
    private readonly missing: MissingUsersService,
    private readonly state: SourceStateStore,
    private readonly rules: ProductAuthorityService,
    private readonly clock: Clock,
  ) {}

  /** Whether the product owns users. */
  get isSet(): boolean {
    return this.source.isSet;
  }

  owns(user: Pick<User, 'externalId' | 'role'>): boolean {
    return this.isSet && user.externalId !== null && this.rules.controls(user);
  }

  async findByName(username: string): Promise<User | undefined> {
    const name = username.normalize('NFC');
    if (name === '' || name.length > LONGEST_NAME || !name.isWellFormed() || /\p{Cc}/u.test(name))
      return undefined;
    return this.noting(async () => {
      const found = await this.source.byName(name);
      if (found === undefined) return undefined;
      const settled = await this.settle(found);
      // An administrator has a password of Tandem only.
      if (settled === undefined || !this.owns(settled.user)) return undefined;
      const { user, row } = settled;
      return Object.assign(user, { passwordHash: row.passwordHash ?? null, passwordIsManaged: true });
    });
  }

  /** Before a refresh: asks the source for the owner of the family. */
  async confirmOwner(sid: string): Promise<void> {
    if (!this.isSet) return;
    const owner = await this.ownerOf(sid);
    if (owner !== undefined && this.owns(owner)) await this.ask(owner.externalId!);
  }

  /**
   * Asks the source for a user whom Tandem knows. If the source has no row, or says that the user is disabled, revokes all families and
   * sessions of the user.
   */
  ask(externalId: string): Promise<Confirmation> {
    return this.asking.run(externalId, () => this.noting(() => this.askNow(externalId)));
  }

  /** Asks like {@link ask}, unless the source was asked within the last 60 s. */
  async confirm(externalId: string): Promise<Confirmation> {
    const last = this.confirmed.get(externalId);
    const isRecent = last !== undefined && this.clock.monotonic() - last.at < CONFIRMED_MS;
    return isRecent ? 'same' : this.ask(externalId);
  }

  /**
   * Asks the source after the product has said that it changed the user. Never shares a query that runs already: it may have read the old
   * row.
   */
  renew(externalId: string): Promise<void> {
    return this.noting(async () => {
      const known = await this.store.find(externalId);
      if (known === undefined) await this.admitNow(externalId);
      else if (this.owns(known)) await this.askNow(externalId);
    });
  }

  /** Asks the source for a user whom a session names and whom Tandem does not know, or who is disabled. True: read the session again. */
  admit(name: string): Promise<boolean> {
    const externalId = this.isSet ? normaliseExternalId(name) : undefined;
    if (externalId === undefined) return Promise.resolve(false);
    return this.admitting.run(externalId, () => this.noting(() => this.admitNow(externalId)));
  }

  private async askNow(externalId: string): Promise<Confirmation> {
    const text = await this.source.textById(externalId);
    if (text === undefined) return this.endMissing(externalId);
    const digest = hash('sha256', text, 'base64');
    const isSame = sameSecret(this.confirmed.get(externalId)?.digest ?? '', digest);
    const row = isSame ? undefined : sourceRow(text, externalId);
    this.missing.count(true);
    if (row !== undefined) await this.settle(row);
    this.confirmed.set(externalId, { digest, at: this.clock.monotonic() });
    return isSame ? 'same' : 'changed';
  }

  private async endMissing(externalId: string): Promise<Confirmation> {
    this.confirmed.delete(externalId);
    const known = await this.store.find(externalId);
    // The client of a user who is gone may keep asking. That is no evidence.
    if (known === undefined || known.disabledAt !== null) return 'changed';
    this.missing.count(false);
    if (!(await this.missing.isGone())) throw new SourceFailure('too many users are missing');
    await this.accounts.renew(externalId, true);
    return 'changed';
  }

  private async admitNow(externalId: string): Promise<boolean> {
    if (isUuid(externalId) && (await this.store.isOtherUser(externalId))) return false;
    try {
      const row = await this.source.byId(externalId);
      return row !== undefined && (await this.settle(row)) !== undefined;
    } catch (error) {
      // The query takes no such id, so the product has no such user.
      const isUnknown = async () => (await this.store.find(externalId)) === undefined;
      if (error instanceof SourceFailure && error.isUnfitValue && (await isUnknown())) return false;
      throw error;
    }
  }

  /** The user of a row, up to date. */
  private async settle(
    row: SourceRow,
  ): Promise<{ readonly user: User; readonly row: SourceRow } | undefined> {
    const known = await this.store.find(row.externalId);
    if (known !== undefined && this.accounts.isCurrent(known, row)) return { user: known, row };
    const settled = await this.accounts.renew(row.externalId, false);
    if (settled === undefined)
      throw new SourceFailure('the query by id does not find a user whom the query by name finds');
    return settled;
  }

  private async ownerOf(sid: string): Promise<Owner | undefined> {
    const now = this.clock.monotonic();
    const last = this.owners.get(sid);
    if (last !== undefined && now < last.until) return last;
    const owner = await this.store.ownerOf(sid);
    if (owner !== undefined) this.owners.set(sid, { ...owner, until: now + OWNER_MS });
    return owner;
  }

  /** Logs faults of the source and keeps them for the doctor. */
  private async noting<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof SourceFailure) await this.note(error);
      throw error;
    }
  }

  private async note(failure: SourceFailure): Promise<void> {
    const now = this.clock.monotonic();
    if (now - (this.noted.get(failure.fault) ?? -Infinity) < NOTE_INTERVAL_MS) return;
    this.noted.set(failure.fault, now);
    this.logger.warn({ err: failure }, failure.message);
    try {
      await this.state.note(failure.fault);
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to store a fault of the users source for the doctor');
    }
  }
}
