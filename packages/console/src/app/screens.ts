import { AuditScreen } from '../audit/audit-screen.js';
import { KeysScreen } from '../keys/keys-screen.js';
import { LoginsScreen } from '../logins/logins-screen.js';
import { NodesScreen } from '../nodes/nodes-screen.js';
import { UsersScreen } from '../users/users-screen.js';
import type { Screen } from './extension.js';
import { extension } from './installed.js';

const OWN: readonly Screen[] = [
  { name: 'logins', label: 'Logins', group: 'Users and logins', Screen: LoginsScreen },
  { name: 'users', label: 'Users', group: 'Users and logins', Screen: UsersScreen },
  { name: 'keys', label: 'Keys', group: 'Operations', Screen: KeysScreen },
  { name: 'nodes', label: 'Nodes and limits', group: 'Operations', Screen: NodesScreen },
  { name: 'audit', label: 'Audit', group: 'Operations', Screen: AuditScreen },
];

/** All screens. The first one is the start page. */
export const SCREENS: readonly Screen[] = [...OWN, ...extension.screens];
