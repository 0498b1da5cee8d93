import { Injectable } from '@nestjs/common';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';
import { normaliseExternalId } from '../../users/external-id.js';
import { SourceAccountsService } from './source-accounts.service.js';
import { SourceFailure } from './source/source-failure.js';
import { listOfIds } from './source/source-sql.js';
import { UsersSourceClient } from './source/users-source.client.js';
import { SourceUserStore } from './source-user.store.js';

const PAGE = 10_000;

/** The longest time for one page of ids, in milliseconds. */
const PAGE_TIMEOUT_MS = 60_000;

/** Users who are copied at once. */
const LANES = 4;

/** The numbers of users, by what happened to them. The last three are part of `adopted`. */
export interface Adoption {
  adopted: number;
  /** The source has no row for the id. Nothing was changed. */
  missing: number;
  /** The number of users that were not changed, by reason. */
  readonly failed: Record<string, number>;
  /** The number of users for whom the source has no password. */
  without_password: number;
  /** Tandem cannot check their password hashes: these users have to set new passwords. */
  unusable_password: number;
  /** External ids of users who have another name here, because somebody else has theirs or it is not a valid name. */
  readonly other_name: string[];
}

/** Copies the product's users over, so that the product can stop owning them. Repeating it is safe. */
@Injectable()
export class AdoptionService {
  constructor(
    private readonly source: UsersSourceClient,
    private readonly accounts: SourceAccountsService,
    private readonly store: SourceUserStore,
    private readonly hasher: PasswordHasher,
  ) {}

  /** Whether there is a source, and whether its query by id can be turned into a list of all ids. */
  get canList(): boolean {
    return this.listing() !== undefined;
  }

  get isSet(): boolean {
    return this.source.isSet;
  }

  /** The ids of all users in the source, and of those whom Tandem knows. */
  async allIds(): Promise<ReadonlySet<string>> {
    const ids = new Set<string>();
    await this.source.withConnection(PAGE_TIMEOUT_MS, async (client) => {
      await client.query('BEGIN READ ONLY');
      await client.query(`DECLARE ids NO SCROLL CURSOR FOR ${this.listing()!}`);
      for (;;) {
        const { rows } = await client.query<{ id: string | null }>(`FETCH ${PAGE} FROM ids`);
        for (const { id } of rows) if (id !== null) ids.add(id);
        if (rows.length < PAGE) return;
      }
    });
    return this.withKnown(ids);
  }

  /** Adds the ids of the users whom Tandem knows. */
  async withKnown(ids: Set<string>): Promise<ReadonlySet<string>> {
    for (let after = ''; ;) {
      const known = await this.store.knownIds(after, PAGE);
      for (const id of known) ids.add(id);
      if (known.length < PAGE) return ids;
      after = known.at(-1)!;
    }
  }

  /** Copies these users. `done` is called after each. */
  async adopt(ids: ReadonlySet<string>, done: () => void): Promise<Adoption> {
    const adoption: Adoption = {
      adopted: 0,
      missing: 0,
      failed: {},
      without_password: 0,
      unusable_password: 0,
      other_name: [],
    };
    const again: string[] = [];
    await inLanes(ids, async (id) => {
      if (!(await this.adoptOne(id, adoption))) again.push(id);
      done();
    });
    // Some of these names belonged to users who have got another name in the meantime.
    await inLanes(again, async (id) => {
      if (!(await this.hasItsName(id))) adoption.other_name.push(id);
    });
    return adoption;
  }

  /** False if the user has another name than in the source. */
  private async adoptOne(id: string, adoption: Adoption): Promise<boolean> {
    try {
      const externalId = normaliseExternalId(id);
      if (externalId === undefined)
        throw new SourceFailure('the row has no external_id, or one that is not valid');
      const settled = await this.accounts.renew(externalId, false, true);
      if (settled === undefined) {
        adoption.missing += 1;
        return true;
      }
      const { user, row } = settled;
      adoption.adopted += 1;
      if (user.passwordHash === null) adoption.without_password += 1;
      else if (this.hasher.appraise(user.passwordHash).outcome !== 'known') adoption.unusable_password += 1;
      return user.username === row.username?.normalize('NFC');
    } catch (error) {
      if (!(error instanceof SourceFailure)) throw error;
      adoption.failed[error.fault] = (adoption.failed[error.fault] ?? 0) + 1;
      return true;
    }
  }

  private async hasItsName(id: string): Promise<boolean> {
    const settled = await this.accounts.renew(id, false, true);
    return settled === undefined || settled.user.username === settled.row.username?.normalize('NFC');
  }

  private listing(): string | undefined {
    const { texts } = this.source;
    return texts && listOfIds(texts.byId);
  }
}

/** Runs `work` for each value, a few at once. */
async function inLanes<T>(values: Iterable<T>, work: (value: T) => Promise<void>): Promise<void> {
  const rest = values[Symbol.iterator]();
  const lane = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
