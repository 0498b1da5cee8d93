import { mailUsers } from '../../faults/transition/mailed-users.js';

mailUsers(2_000, [300, 900, 1_500]);
