import { moveUsers } from '../../faults/transition/moving-users.js';

moveUsers(1_000);
