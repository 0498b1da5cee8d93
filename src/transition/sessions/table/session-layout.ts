import { quoted } from './table-name.js';

/** SQL for the parts of a session in its table: names of columns are quoted, and expressions use bare columns. */
export interface SessionLayout {
  readonly sid: string;
  /** The session as JSON. */
  readonly sess: string;
  /** The column with the expiry. */
  readonly expire: string;
  /** The user as text. Undefined: it is in the JSON. */
  readonly user: string | undefined;
  /** The column with the expiry has no time zone, and its library writes UTC. */
  readonly utc: boolean;
  /** The product's own rows say how long a use extends them. If not, Tandem leaves that to the product. */
  readonly saysLifetime: boolean;
  /** The columns and values of a new row, for the SQL of its id, JSON and expiry. */
  readonly insertion: (sid: string, sess: string, expire: string) => Insertion;
  /** The trigger that reports deletions can read its rows. */
  readonly hasTrigger: boolean;
  /** Columns that a new row fills. */
  readonly filled: readonly string[];
}

/** The lists of an INSERT. */
interface Insertion {
  readonly columns: string;
  readonly values: string;
}

/** The layout of connect-pg-simple. */
export const CONNECT_PG_SIMPLE: SessionLayout = {
  sid: 'sid',
  sess: 'sess',
  expire: 'expire',
  user: undefined,
  utc: false,
  saysLifetime: true,
  insertion: (sid, sess, expire) => ({ columns: 'sid, sess, expire', values: `${sid}, ${sess}, ${expire}` }),
  hasTrigger: true,
  filled: ['sid', 'sess', 'expire'],
};

/** A column of a table. */
export interface Column {
  readonly type: string;
  /** PostgreSQL fills it if an INSERT does not. */
  readonly hasDefault: boolean;
}

/** The names of the columns. */
export interface NamedColumns {
  readonly sid: string;
  readonly expire: string;
  readonly sess: string | undefined;
  readonly user: string | undefined;
}

/** Further columns that libraries need in each row. No session depends on their values. */
const FILLERS: Readonly<Record<string, (type: string) => string>> = {
  id: (type) => (type === 'uuid' ? 'gen_random_uuid()' : 'gen_random_uuid()::text'),
  createdAt: (type) => now(type),
  created_at: (type) => now(type),
  updatedAt: (type) => now(type),
  updated_at: (type) => now(type),
};

/** The field of the JSON of a new session that names the user, if the table has a column for that. */
export const USER_FIELD = 'user';

/** The layout of a preset. `cookie`: what the sessions of a table without JSON say about their cookie. */
export function presetLayout(
  names: NamedColumns,
  columns: Readonly<Record<string, Column>>,
  cookie: object,
): SessionLayout {
  const sid = quoted(names.sid);
  const expire = quoted(names.expire);
  const userType = names.user === undefined ? '' : columns[names.user]!.type;
  const utc = columns[names.expire]!.type === WITHOUT_ZONE;
  const fillers = Object.entries(FILLERS).filter(([name]) => columns[name]?.hasDefault === false);
  return {
    sid,
    sess: names.sess === undefined ? `${literal(JSON.stringify({ cookie }))}::json` : quoted(names.sess),
    expire,
    user: names.user === undefined ? undefined : `${quoted(names.user)}::text`,
    utc,
    saysLifetime: names.user === undefined,
    insertion: (id, sess, time) => {
      const content =
        names.user === undefined
          ? [[quoted(names.sess!), sess] as const]
          : [[quoted(names.user), `(${sess} ->> '${USER_FIELD}')::${userType}`] as const];
      const made = [
        [sid, id] as const,
        ...content,
        [expire, utc ? `${time} AT TIME ZONE 'UTC'` : time] as const,
        ...fillers.map(([name, fill]) => [quoted(name), fill(columns[name]!.type)] as const),
      ];
      return {
        columns: made.map(([name]) => name).join(', '),
        values: made.map(([, value]) => value).join(', '),
      };
    },
    hasTrigger: false,
    filled: [
      names.sid,
      names.expire,
      ...[names.sess, names.user].filter((name) => name !== undefined),
      ...fillers.map(([name]) => name),
    ],
  };
}

const WITHOUT_ZONE = 'timestamp without time zone';

function now(type: string): string {
  return type === WITHOUT_ZONE ? `clock_timestamp() AT TIME ZONE 'UTC'` : 'clock_timestamp()';
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
