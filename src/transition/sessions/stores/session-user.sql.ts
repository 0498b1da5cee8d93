/** A user's id as text; products may write it in capitals (RFC 9562, section 4). */
const UUID = `'^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'`;

/**
 * What the column `sess` holds at `path` (SESSION_USER_KEY, whose steps are safe to write into SQL), as text; NULL if the session names
 * nobody. It never fails, whatever another application has stored in a column of whatever type: see the migration that makes the
 * function.
 */
export function userAt(path: string): string {
  const steps = path.split('.').map((step) => `"${step}"`);
  return `tandem_session_user(sess::text, '{${steps.join(',')}}')`;
}

/** What the index is on: users' ids are the same in any case of letters. Who looks for an external_id compares `userAt` as well. */
export function userKeyAt(path: string): string {
  return `lower(${userAt(path)})`;
}

/** The id of the user whom `text` names: by id, else by external_id. */
export function userNamed(text: string): string {
  return `coalesce(
    (SELECT id FROM users WHERE id = CASE WHEN ${text} ~* ${UUID} THEN (${text})::uuid END),
    (SELECT id FROM users WHERE external_id = ${text}))`;
}
