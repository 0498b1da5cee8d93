import { mailUsers } from './mailed-users.js';

/** `npm run test:long` sends it to two thousand users. */
mailUsers(600, [100, 250, 400]);
