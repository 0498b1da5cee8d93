import { racePairs } from '../../integration/transition/race-pairs.js';

racePairs(1_000);
