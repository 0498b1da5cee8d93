import { racePairs } from './race-pairs.js';

/** `npm run test:long` does it a thousand times. */
racePairs(20);
