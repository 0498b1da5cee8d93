import { Injectable } from '@nestjs/common';
import { NodeReporter, REPORT_INTERVAL_MS } from '../../operations/nodes/node-reporter.js';
import { ServiceNodeStore } from '../../operations/nodes/service-node.store.js';
import type { ListedNode } from '../../operations/nodes/service-node.store.js';
import { DoctorService } from './doctor.service.js';
import type { DiagnosisDto, NodeDto, NodesDto } from './nodes.dto.js';

/** Seconds after which a node counts as silent: it has missed three reports. */
const SILENT_AFTER_S = (3 * REPORT_INTERVAL_MS) / 1000;

/** The nodes of this installation, and what the doctor finds on this one. */
@Injectable()
export class NodeListService {
  constructor(
    private readonly store: ServiceNodeStore,
    private readonly reporter: NodeReporter,
    private readonly doctor: DoctorService,
  ) {}

  async list(): Promise<NodesDto> {
    // The list is at least up to date about the node that answers. If that fails, the loop of the reporter logs why.
    await this.reporter.report().catch(() => undefined);
    return { nodes: (await this.store.list()).map((node) => this.viewOf(node)) };
  }

  async diagnose(): Promise<DiagnosisDto> {
    const { findings, ...diagnosis } = await this.doctor.diagnose();
    return {
      ...diagnosis,
      findings: findings.map((finding) => ({ ...finding, advice: finding.advice ?? null })),
    };
  }

  private viewOf(node: ListedNode): NodeDto {
    const { id, host, worker, workers, version, failing, started_at, seen_at, knowledge_age_ms } = node;
    const state = node.silent_s >= SILENT_AFTER_S ? 'silent' : failing.length > 0 ? 'not_ready' : 'ready';
    return {
      id,
      host,
      worker,
      workers,
      version,
      state,
      failing,
      started_at,
      seen_at,
      knowledge_age_ms,
      propagation: {
        p50_ms: node.propagation_p50_ms,
        p99_ms: node.propagation_p99_ms,
        samples: node.propagation_samples,
      },
      current: id === this.reporter.id,
    };
  }
}
