/** Buckets are counted separately. A bucket always has the same quota. */
export type Bucket = AddressBucket | SubjectBucket;

/** The subjects are addresses of clients and their networks. */
export const ADDRESS_BUCKETS = [
  'login',
  'session_login',
  'refresh',
  'exchange',
  'downgrade',
  'password',
  'reauthenticate',
  'client',
] as const;

const ADDRESSES: ReadonlySet<string> = new Set(ADDRESS_BUCKETS);

/** Whether a scope is a bucket of addresses. */
export function isAddressBucket(scope: string): boolean {
  return ADDRESSES.has(scope);
}

export type AddressBucket = (typeof ADDRESS_BUCKETS)[number];

/** Each has subjects of one kind, so that a subject of one kind cannot collide with one of another kind. */
export const SUBJECT_BUCKETS = [
  /** Account names: logins from unknown devices. */
  'account',
  /** Ids of token families and of sessions: passwords tried on known devices. */
  'device_family',
  'device_session',
  /** Ids of users: all logins from known devices. */
  'device_user',
  /** Ids of token families; for repeats with the generation. */
  'refresh_family',
  'refresh_repeat',
  'downgrade_family',
  /** Ids of sessions. */
  'exchange_session',
  /** Ids of service clients: streams of revocations that they open. */
  'revocation_stream',
] as const;

export type SubjectBucket = (typeof SUBJECT_BUCKETS)[number];

/** Whose counter it is. The user may become known only after the call was counted: until then, the owner is pending. */
export interface CounterOwner {
  userId?: string | undefined;
  isPending?: true | undefined;
  /** The address that the call came from. */
  readonly address?: string | null | undefined;
}
