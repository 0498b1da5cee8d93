import { Inject } from '@nestjs/common';
import type { Client } from 'pg';
import { DoctorCheck, fail, messageOf, ok, warn } from '../../admin/cli/doctor/doctor-check.js';
import type { Examination, Finding } from '../../admin/cli/doctor/doctor-check.js';
import { CONFIG } from '../../config/config.js';
import type { TransitionConfig } from '../transition.settings.js';
import { SourceStateStore } from './source-state.store.js';
import { COLUMNS } from './source/source-row.js';
import { UsersSourceClient } from './source/users-source.client.js';

const CHECK = 'users_source';

const TIMEOUT_MS = 3_000;

/** A table of Tandem that the role can read, or a part of one. A schema of this name without signing keys is not Tandem's. */
const READABLE = `
  SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
  WHERE n.nspname = $1 AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT')
    AND EXISTS (SELECT 1 FROM pg_class k WHERE k.relnamespace = n.oid AND k.relname = 'signing_keys')
    AND c.relkind IN ('r', 'p', 'v', 'm')
  LIMIT 1`;

/** Checks the queries that find the product's users, the alarm about missing users, and what the source's role can read. */
@DoctorCheck()
export class UsersSourceCheck implements Examination {
  constructor(
    private readonly source: UsersSourceClient,
    private readonly state: SourceStateStore,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {}

  async examine(): Promise<Finding[]> {
    if (!this.source.isSet) return [];
    const findings = [...(await this.alarm()), ...(await this.faults()), ...(await this.queries())];
    return findings.length > 0 ? findings : [ok(CHECK, 'both queries work')];
  }

  private async alarm(): Promise<Finding[]> {
    const since = await this.state.alarm();
    if (since === null) return [];
    return [
      fail(
        CHECK,
        `since ${since.toISOString()}, too many users have no row, so they get 503 instead of being logged out`,
        'check the product’s table; if these users are really gone, run: npm run admin -- users confirm-missing',
      ),
    ];
  }

  private async faults(): Promise<Finding[]> {
    const faults = await this.state.faults();
    return faults.map(({ fault, at }) =>
      warn(
        CHECK,
        `${fault} (last at ${at.toISOString()})`,
        'check USERS_SOURCE_BY_NAME and USERS_SOURCE_BY_ID',
      ),
    );
  }

  private async queries(): Promise<Finding[]> {
    try {
      return await this.source.withConnection(TIMEOUT_MS, async (client) => {
        const { byName, byId } = this.source.texts!;
        const findings: Finding[] = [];
        for (const [name, text] of [
          ['USERS_SOURCE_BY_NAME', byName],
          ['USERS_SOURCE_BY_ID', byId],
        ] as const)
          findings.push(...columnsOf(name, await describe(client, text)));
        const { rowCount } = await client.query(READABLE, [this.config.databaseSchema]);
        if (rowCount !== 0 && this.config.production) findings.push(readable());
        return findings;
      });
    } catch (error) {
      return [
        fail(
          CHECK,
          `the source does not answer: ${messageOf(error)}`,
          'check USERS_SOURCE_URL and both queries',
        ),
      ];
    }
  }
}

/** The names of the columns. Nothing is read: a query without rows shows them. */
async function describe(client: Client, text: string): Promise<string[]> {
  const { fields } = await client.query(
    `SELECT * FROM (\n${text.replace(/\$1/g, 'NULL')}\n) AS source LIMIT 0`,
  );
  return fields.map(({ name }) => name);
}

function columnsOf(query: string, names: readonly string[]): Finding[] {
  const lacking = ['external_id', 'password_hash'].filter((name) => !names.includes(name));
  const unknown = names.filter((name) => !COLUMNS.includes(name));
  const advice = `let the query return external_id and any of ${COLUMNS.slice(1).join(', ')}`;
  return [
    ...lacking.map((name) => warn(CHECK, `${query} returns no ${name}`, advice)),
    ...(unknown.length > 0
      ? [warn(CHECK, `${query} returns columns that are ignored: ${unknown.join(', ')}`, advice)]
      : []),
  ];
}

function readable(): Finding {
  return warn(
    CHECK,
    'the role of the users source can read the tables of Tandem',
    'set USERS_SOURCE_URL with a role that may read the product’s users and nothing else',
  );
}
