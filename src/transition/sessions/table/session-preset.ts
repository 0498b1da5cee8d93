/** The libraries whose tables Tandem knows besides connect-pg-simple: the values of SESSION_PRESET. */
export const SESSION_PRESETS = ['knex', 'sequelize', 'better-auth', 'authjs'] as const;

export type SessionPreset = (typeof SESSION_PRESETS)[number];

/** How a library stores its sessions in PostgreSQL. A column has the first of its names that the table has. */
export interface PresetFormat {
  /** The table that the library makes. */
  readonly table: string;
  readonly sid: readonly string[];
  readonly expire: readonly string[];
  /** The session as JSON. Undefined: the table has a column for the user instead. */
  readonly sess?: readonly string[];
  /** The user's id. Undefined: it is in the JSON, at SESSION_USER_KEY. */
  readonly user?: readonly string[];
}

/** The formats of connect-session-knex 5, connect-session-sequelize 8, better-auth 1 and Auth.js with the strategy `database`. */
export const PRESET_FORMATS: Readonly<Record<SessionPreset, PresetFormat>> = {
  knex: { table: 'sessions', sid: ['sid'], expire: ['expired'], sess: ['sess'] },
  sequelize: { table: 'Sessions', sid: ['sid'], expire: ['expires'], sess: ['data'] },
  'better-auth': {
    table: 'session',
    sid: ['token'],
    expire: ['expiresAt', 'expires_at'],
    user: ['userId', 'user_id'],
  },
  authjs: {
    table: 'sessions',
    sid: ['sessionToken', 'session_token'],
    expire: ['expires'],
    user: ['userId', 'user_id'],
  },
};

/** Whether the library keeps the user in a column, so that no SESSION_USER_KEY applies. */
export function hasUserColumn(preset: unknown): boolean {
  return PRESET_FORMATS[preset as SessionPreset]?.user !== undefined;
}
