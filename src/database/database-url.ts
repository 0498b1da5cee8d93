/** Injection token of the URL that this node reaches PostgreSQL by: the configured one, or the embedded server's. */
export const DATABASE_URL = Symbol('DATABASE_URL');
