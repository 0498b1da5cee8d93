import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Memory that a run may fill. A default container has 64 MiB of it, and keeps its files on the disk. */
const NEEDED_MEMORY = 2 * 1024 ** 3;

/** Where tests keep databases and the folders of nodes: in memory if there is room, because they synchronise many small files to the disk. */
export function temporaryFolder(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize >= NEEDED_MEMORY ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
}
