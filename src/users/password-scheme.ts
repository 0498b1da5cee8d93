/** One way of storing passwords. */
export interface PasswordScheme {
  /** Whether the stored text is of this scheme, well-formed, and not too costly to check. */
  matches(stored: string): boolean;
  /** Whether it is that of `password`. Takes texts that match. */
  verify(stored: string, password: string): Promise<boolean>;
  /** Whether a text of this scheme should be replaced at the next login. */
  isOutdated(stored: string): boolean;
}
