/** One way of storing passwords. */
export interface PasswordScheme {
  /**
   * What one check of the text takes: milliseconds of a core of a small server, generously. Undefined if the text is not
   * of this scheme or not well-formed; Infinity if a check would take more memory than one may have.
   */
  costOf(stored: string): number | undefined;
  /** Whether it is that of `password`. Takes texts that have a cost. */
  verify(stored: string, password: string): Promise<boolean>;
  /** Whether a text of this scheme should be replaced after `password` was found right. */
  isOutdated(stored: string, password: string): boolean;
}
