import type { Filters } from '../ui/filter-field.js';
import { knownFilters } from '../ui/filter-field.js';
import { ScreenFrame } from '../ui/screen.js';
import { BLOCKED_FIELDS, Blocked } from './blocked.js';
import { Doctor } from './doctor.js';
import { Nodes } from './nodes.js';

/** How the nodes do, what the doctor finds, and who is blocked by a rate limit now. */
export function NodesScreen({ filters }: { readonly filters: Filters }) {
  return (
    <ScreenFrame title="Nodes and limits">
      <Nodes />
      <Doctor />
      <Blocked filters={knownFilters(filters, BLOCKED_FIELDS)} />
    </ScreenFrame>
  );
}
