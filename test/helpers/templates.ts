/** Databases that tests copy. */

/** Migrated; no node has started on it. */
export const MIGRATED = 'tandem_template';

/** A node with the tests' own variables has started on it once. */
export const STARTED = 'tandem_started';
