/** Text that PostgreSQL does not read as SQL: comments, strings and quoted names. `$1` is a parameter, not the start of a string. */
const OPAQUE =
  /--[^\n]*|[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$/g;

/** The start of something that {@link OPAQUE} did not find the end of. Nested comments are refused: nobody needs them here. */
const UNCLOSED = /['"]|\/\*|\*\/|\$(?:[A-Za-z_]\w*)?\$/;

const BLOCK_COMMENT = /\/\*(?:(?!\/\*|\*\/)[\s\S])*\*\//g;

const LONGEST = 8_192;

/**
 * The text with spaces instead of comments and `~` instead of strings and quoted names, so that positions stay the same. Undefined if
 * something is not closed.
 */
function skeletonOf(text: string): string | undefined {
  const skeleton = text
    .replace(OPAQUE, (part) => (part.startsWith('--') ? ' ' : '~').repeat(part.length))
    .replace(BLOCK_COMMENT, (part) => ' '.repeat(part.length));
  return UNCLOSED.test(skeleton) ? undefined : skeleton;
}

/** The query without a semicolon at its end. Undefined if it is not one statement that reads and takes `$1` alone. */
export function sourceQuery(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.length > LONGEST || text.includes('\0')) return undefined;
  const skeleton = skeletonOf(text)?.trimEnd().replace(/\s*;$/, '');
  if (skeleton === undefined || skeleton.includes(';')) return undefined;
  if (!/^[\s(]*(?:select|with|values)\b/i.test(skeleton)) return undefined;
  const parameters = new Set(skeleton.match(/\$\d+/g));
  return parameters.size === 1 && parameters.has('$1') ? text.slice(0, skeleton.length) : undefined;
}

/** The longest row, in bytes of its JSON text. */
const MAX_ROW = 65_536;

/**
 * The statement that runs a query: at most two rows, each as JSON text, so that every type has one form. NULL stands for a row of more than
 * 64 KiB. The server does not send such a row, so that it never fills the memory of this process. As a subquery, the query cannot write.
 */
export function limitedTo2Rows(query: string): string {
  return `
    SELECT CASE WHEN octet_length(row) <= ${MAX_ROW} THEN row END AS row
    FROM (SELECT row_to_json(source)::text AS row FROM (
${query}
    ) AS source LIMIT 2) AS limited`;
}

/** `= $1`, with casts, or the same the other way round. */
const COMPARED = [
  /=\s*(?:\(\s*)?\$1(?:\s*\))?(?:::\s*[a-z][a-z0-9_ ]*(?:\(\d+\))?)?(?=\s|\)|$)/i,
  /=\s*cast\s*\(\s*\$1\s+as\s+[a-z][a-z0-9_ ]*(?:\(\d+\))?\s*\)/i,
];

/**
 * A query that lists the ids of all users, made from the query by id: `id = $1` becomes `id IS NOT NULL`. Undefined if the query does not
 * compare `$1` in this way exactly once. Only ids are taken from the list. Each user is then read by id, so a wrong list changes nothing.
 */
export function listOfIds(byId: string): string | undefined {
  const skeleton = skeletonOf(byId)!;
  if (skeleton.match(/\$1/g)?.length !== 1) return undefined;
  for (const form of COMPARED) {
    const found = form.exec(skeleton);
    if (found === null) continue;
    const all = `${byId.slice(0, found.index)} IS NOT NULL ${byId.slice(found.index + found[0].length)}`;
    return `SELECT external_id::text AS id FROM (\n${all}\n) AS source`;
  }
  return undefined;
}
