/** `1 login`, `2 logins`. `plural` is for nouns that do not just take an s. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** The form of a verb or pronoun that agrees with the number: `agree(1, 'has', 'have')`. */
export function agree(count: number, singular: string, plural: string): string {
  return count === 1 ? singular : plural;
}
