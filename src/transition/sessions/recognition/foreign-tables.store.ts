import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { Database } from '../../../database/database.js';

/** A table that may hold sessions of a product. */
export interface ForeignTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
}

const MOST = 50;

const CANDIDATES = `
  SELECT n.nspname::text AS schema, c.relname::text AS name,
    ARRAY (SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname ILIKE '%session%'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname NOT LIKE 'pg\\_%'
  ORDER BY 1, 2 LIMIT ${MOST}`;

/** Finds tables of the database whose name says that they hold sessions. Reads the catalogue only. */
@Injectable()
export class ForeignTablesStore {
  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  candidates(): Promise<ForeignTable[]> {
    return this.database.query<ForeignTable & Record<string, unknown>>(CANDIDATES, [
      this.config.databaseSchema,
    ]);
  }
}
