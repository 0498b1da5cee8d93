import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';

/** What a node says about itself. */
export interface NodeReport {
  readonly id: string;
  readonly host: string;
  readonly worker: number | null;
  readonly workers: number;
  readonly version: string;
  readonly failing: readonly string[];
  readonly knowledge_age_ms: number | null;
  readonly propagation_p50_ms: number | null;
  readonly propagation_p99_ms: number | null;
  readonly propagation_samples: number;
}

/** A node as others see it. */
export interface ListedNode extends NodeReport {
  readonly started_at: Date;
  readonly seen_at: Date;
  /** Seconds since its last report. */
  readonly silent_s: number;
}

/** A list of nodes ends here. Nobody runs as many. */
const MOST = 500;

const REPORT = `
  INSERT INTO service_nodes (id, host, worker, workers, version, failing, knowledge_age_ms, propagation_p50_ms, propagation_p99_ms,
    propagation_samples, started_at, seen_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp(), clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET failing = excluded.failing, knowledge_age_ms = excluded.knowledge_age_ms,
    propagation_p50_ms = excluded.propagation_p50_ms, propagation_p99_ms = excluded.propagation_p99_ms,
    propagation_samples = excluded.propagation_samples, seen_at = excluded.seen_at`;

const LIST = `
  SELECT id, host, worker, workers, version, started_at, seen_at, failing, knowledge_age_ms, propagation_p50_ms, propagation_p99_ms,
    propagation_samples, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_s
  FROM service_nodes ORDER BY host, worker NULLS FIRST, started_at, id LIMIT ${MOST}`;

const REMOVE = `DELETE FROM service_nodes WHERE id = $1`;

/** Nodes that were killed: their rows stay for an hour, so that somebody can see it. */
const REMOVE_SILENT = `
  DELETE FROM service_nodes WHERE id IN (
    SELECT id FROM service_nodes WHERE seen_at < clock_timestamp() - interval '1 hour' LIMIT $1)
  RETURNING id`;

/** The nodes of this installation, by the database's clock. */
@Injectable()
export class ServiceNodeStore {
  constructor(private readonly database: Database) {}

  /** Replaces the node's previous report. */
  async report(node: NodeReport): Promise<void> {
    await this.database.query(REPORT, [
      node.id,
      node.host,
      node.worker,
      node.workers,
      node.version,
      node.failing,
      node.knowledge_age_ms,
      node.propagation_p50_ms,
      node.propagation_p99_ms,
      node.propagation_samples,
    ]);
  }

  /** All nodes, workers of one host together. */
  list(): Promise<ListedNode[]> {
    return this.database.query<ListedNode & Record<string, unknown>>(LIST);
  }

  async remove(id: string): Promise<void> {
    await this.database.query(REMOVE, [id]);
  }

  /** Removes up to `batch` nodes that have not reported for an hour. Returns how many. */
  async removeSilent(batch: number): Promise<number> {
    return (await this.database.query(REMOVE_SILENT, [batch])).length;
  }
}
