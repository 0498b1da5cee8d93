import { racePairs } from './race-pairs.js';

racePairs(20);
