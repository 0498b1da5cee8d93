import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

/** Debian's package; another browser is named by CHROMIUM. */
const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Why pages cannot be tested here, if they cannot. */
export const withoutChromium = existsSync(EXECUTABLE)
  ? undefined
  : `no Chromium at ${EXECUTABLE}: install Debian's package "chromium", or name one with CHROMIUM`;

/** A real browser that calls nobody but the page's servers. Throws without one: see {@link withoutChromium}. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
