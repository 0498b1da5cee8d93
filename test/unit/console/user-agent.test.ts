import { expect, it } from 'vitest';
import { describeAgent } from '../../../packages/console/src/ui/user-agent.js';

it.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
    'Chrome 131 on Windows',
  ],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0',
    'Edge 131 on Windows',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1',
    'Safari 18 on iPhone',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0', 'Firefox 133 on Linux'],
  [
    'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36',
    'Chrome 131 on Android',
  ],
  ['OldApp/2.1 (iOS 17)', 'OldApp 2.1 (iOS 17)'],
  ['curl/8.5.0', 'curl 8.5.0'],
  [null, 'No user agent'],
  ['none', 'No user agent'],
  ['other', 'Other programs'],
  ['x'.repeat(300), `${'x'.repeat(47)}…`],
])('describes %j', (agent, text) => {
  expect(describeAgent(agent)).toBe(text);
});
