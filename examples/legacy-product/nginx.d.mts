import type { ChildProcess } from 'node:child_process';

/** The ports of this machine. `open` and `closed` are the public and the private listener. */
export interface Ports {
  readonly tandem: readonly [number, number];
  readonly shop: number;
  readonly reports: number;
  readonly open: number;
  readonly closed: number;
}

export function hasNginx(): boolean;
export function startNginx(folder: string, ports: Ports, address: string): Promise<ChildProcess>;
