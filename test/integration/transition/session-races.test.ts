import { racePairs } from './race-pairs.js';

racePairs(100);
