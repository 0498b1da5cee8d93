import { dictionary } from '@zxcvbn-ts/language-common';

const COMMON: ReadonlySet<string> = new Set(dictionary['passwords-common']);

/** True for one of some 49,000 passwords that breaches show to be used most. Expects lower case. */
export function isCommonPassword(password: string): boolean {
  return COMMON.has(password);
}
