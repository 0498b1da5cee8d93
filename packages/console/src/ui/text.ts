/** Control characters, line and paragraph separators, and characters that change the direction of the text around them. */
const INVISIBLE =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Shows characters that would be invisible, or would disguise the text, by their number: `U+202E`. */
export function visible(text: string): string {
  return text.replace(
    INVISIBLE,
    (one) => `⟨U+${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}

const NUMBER = new Intl.NumberFormat('en-US');

/** 1,240 */
export function number(value: number): string {
  return NUMBER.format(value);
}

/** `1 login`, `1,240 logins` */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** 2.7 %, with as many digits as a small share needs. */
export function percent(share: number): string {
  const value = share * 100;
  const digits = value === 0 || Math.abs(value) >= 10 ? 0 : Math.abs(value) >= 1 ? 1 : 2;
  return `${value.toFixed(digits)} %`;
}

/** The first characters of an id. A list shows them, and its link has the whole id. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** `rolled_back` → `Rolled back` */
export function words(code: string): string {
  const text = code.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
