/** Characters of what a session holds at its user's place: longer than any id. */
const LONGEST = 256;

/** A user's id as text. */
const UUID = `'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'`;

/**
 * What the column `sess` holds at `path` (SESSION_USER_KEY, whose steps are safe to write into SQL), as text; NULL if nothing.
 *
 * It never fails: escapes that jsonb refuses, of NUL and of half a surrogate pair, which another application may well have
 * stored, are replaced first. And it is short whatever is there, so that an index on it accepts every row.
 */
export function userAt(path: string): string {
  const steps = path.split('.').map((step) => `"${step}"`);
  return `left((CASE WHEN strpos(sess::text, '\\u') = 0 THEN sess::jsonb
    ELSE regexp_replace(sess::text, '\\\\u[0-9A-Fa-f]{4}', '\\\\ufffd', 'g')::jsonb END) #>> '{${steps.join(',')}}', ${LONGEST})`;
}

/** The id of the user whom `text` names: by id, else by external_id. */
export function userNamed(text: string): string {
  return `coalesce(
    (SELECT id FROM users WHERE id = CASE WHEN ${text} ~ ${UUID} THEN (${text})::uuid END),
    (SELECT id FROM users WHERE external_id = ${text}))`;
}
