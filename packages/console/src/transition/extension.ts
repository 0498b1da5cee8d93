import type { Extension } from '../app/extension.js';
import { LeftScreen } from './left/left-screen.js';
import { RolloutScreen } from './rollout/rollout-screen.js';
import './transition.css';

/** Everything in the console that v3.0 deletes. */
export const extension: Extension = {
  screens: [
    { name: 'rollout', label: 'Rollout', group: 'Rollout', Screen: RolloutScreen },
    { name: 'left', label: 'Who is left', group: 'Rollout', Screen: LeftScreen },
  ],
  loginChoices: [
    {
      name: 'scheme',
      label: 'Kind',
      options: [
        ['', 'Tokens and sessions'],
        ['bearer', 'Tokens'],
        ['session', 'Sessions'],
      ],
    },
  ],
  loginDefaults: { scheme: 'all' },
  schemes: {
    bearer: { label: 'Tokens', hint: 'A token family' },
    session: { label: 'Session', hint: 'A session cookie' },
  },
  links: {
    exchanged_from: 'Exchanged from',
    downgraded_to: 'Replaced by',
    downgraded_from: 'Downgraded from',
  },
  events: {
    exchange: 'Exchanged a session for tokens',
    downgrade: 'Exchanged the tokens for a session',
  },
};
