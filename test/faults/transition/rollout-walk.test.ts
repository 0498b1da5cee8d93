import { moveUsers } from './moving-users.js';

/** `npm run test:long` does it with a thousand users. */
moveUsers(250);
