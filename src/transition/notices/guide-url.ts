/** Where clients read how to move. */
export const GUIDE_PATH = 'transition/guide';

/** The public URL of the guide, below the issuer's. */
export function guideUrlOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/${GUIDE_PATH}`;
}
