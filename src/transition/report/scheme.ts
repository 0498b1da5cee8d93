/** The two ways in that the report compares. */
export const SCHEMES = ['bearer', 'session'] as const;

export type Scheme = (typeof SCHEMES)[number];
