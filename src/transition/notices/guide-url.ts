import type { Provider } from '@nestjs/common';
import { CONFIG } from '../../config/config.js';
import { ISSUER } from '../../tokens/access/issuer.js';
import type { TransitionConfig } from '../transition.settings.js';

/** The injection token of the public URL of the page that tells people what to do. The banner, the mail and `Link` headers name it. */
export const GUIDE_URL = Symbol('GUIDE_URL');

/** `GUIDE_URL`, or the built-in page below the issuer. */
export const guideUrlProvider: Provider = {
  provide: GUIDE_URL,
  inject: [CONFIG, ISSUER],
  useFactory: ({ guideUrl }: TransitionConfig, issuer: string) => guideUrl ?? builtInGuide(issuer),
};

function builtInGuide(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/transition/guide`;
}
