import { DatabaseClock } from '../../../../tokens/feed/database-clock.js';
import { canonicalExternalId } from '../../../../users/external-id.js';
import type { TransitionConfig } from '../../../transition.settings.js';
import { RemoteSessions } from '../remote/remote-sessions.js';
import type { EndSessions, RemoteSession } from '../remote/remote-sessions.js';
import type { NewSession, SessionExtension } from '../session.store.js';
import { isReply } from './redis-connection.js';
import type { RedisClient, RedisConnection } from './redis-connection.js';
import { sessionIn } from './redis-session.codec.js';

/** Characters that are read of a value. A longer value is no session. */
const LARGEST = 1_048_576;

/** Keys of one command, and keys of one step of a search. */
const KEYS = 500;

/** PTTL: there is no such key; the key does not expire. */
const NO_KEY = -2;
const NO_EXPIRY = -1;

/** Milliseconds until a session whose key does not expire is looked at again. */
const UNLIMITED_MS = 365 * 86_400_000;

/** Milliseconds; an earlier expiry is an expiry that has to be moved. */
const ROUNDING_MS = 1_000;

/** The value of a key that is not a string. */
const NO_JSON = ' ';

/** Characters of a session id: longer ones fit in no cookie. */
const LONGEST_SID = 4_096;

/** Reads sessions without changing them: a command for each of them would cost the node most of a request. */
const READ = `
  local found = {}
  for i, key in ipairs(KEYS) do
    local text = redis.pcall('GETRANGE', key, 0, ARGV[1])
    found[2 * i - 1] = redis.call('PTTL', key)
    found[2 * i] = type(text) == 'table' and ' ' or text
  end
  return found`;

const NO_SCRIPTS = /^(?:NOPERM|ERR unknown command)/;

/** A key: milliseconds to live, and its text. */
interface Value {
  readonly lifetime: number;
  readonly text: string;
}

/** Sessions as connect-redis keeps them: the JSON of express-session in a string whose key has a prefix and a time to live. */
export class RedisSessions extends RemoteSessions {
  readonly revives = true;
  readonly opaque = false;
  private readonly prefix: string;
  private readonly path: readonly string[];
  private readonly subscriptions: RedisConnection;
  private subscriber: RedisClient | undefined;
  private mayScript = true;

  constructor(
    private readonly connection: RedisConnection,
    private readonly clock: DatabaseClock,
    { redis, sessionUserKey }: TransitionConfig,
  ) {
    super();
    this.prefix = redis!.prefix;
    this.path = sessionUserKey.split('.');
    this.subscriptions = connection.another();
  }

  get failures(): number {
    return this.connection.failures + this.subscriptions.failures;
  }

  /** The clock is read first, so that no expiry is recorded later than it is. */
  async find(sids: readonly string[]): Promise<RemoteSession[]> {
    if (sids.length === 0) return [];
    const now = this.clock.now();
    const keys = sids.map((sid) => this.prefix + sid);
    const read = await this.connection.run((client) => this.readAll(client, keys));
    return read.flatMap(({ lifetime, text }, index) => {
      // A value that is gone between the two answers is an empty one.
      if (lifetime === NO_KEY || text === '') return [];
      const expiresAt = now + (lifetime === NO_EXPIRY ? UNLIMITED_MS : lifetime);
      return [
        { sid: sids[index]!, expiresAt, ...sessionIn(text.length > LARGEST ? NO_JSON : text, this.path) },
      ];
    });
  }

  async save<Session extends NewSession>(session: Session): Promise<Session> {
    const { sid, sess, expiresAt } = session;
    const expiration = { type: 'EX', value: this.secondsUntil(expiresAt) } as const;
    await this.connection.run((client) =>
      client.set(this.prefix + sid, JSON.stringify(sess), { expiration, condition: 'NX' }),
    );
    return session;
  }

  async setCookiesOf(): Promise<undefined> {}

  /** A key that does not expire is left as it is. */
  async extend(extensions: readonly SessionExtension[]): Promise<ReadonlySet<string>> {
    if (extensions.length === 0) return new Set();
    const now = this.clock.now();
    return this.connection.run(async (client) => {
      const exist = await Promise.all(
        extensions.map(async ({ sid, until }) => {
          const lifetime = await client.pTTL(this.prefix + sid);
          if (lifetime < 0) return lifetime === NO_EXPIRY;
          if (now + lifetime >= until.getTime() - ROUNDING_MS) return true;
          return (await client.expire(this.prefix + sid, this.secondsUntil(until.getTime()))) === 1;
        }),
      );
      return new Set(extensions.filter((_, index) => exist[index]).map(({ sid }) => sid));
    });
  }

  async delete(sids: readonly string[]): Promise<void> {
    for (let first = 0; first < sids.length; first += KEYS) {
      const keys = sids.slice(first, first + KEYS).map((sid) => this.prefix + sid);
      await this.connection.run((client) => client.del(keys));
    }
  }

  /** SCAN returns every key that exists during the whole search. */
  async endUnseen(names: ReadonlySet<string>, end: EndSessions): Promise<void> {
    for await (const sids of this.scan()) {
      const sessions = await this.find(sids);
      const ofUsers = sessions.filter(
        ({ user }) => user !== undefined && names.has(canonicalExternalId(user)),
      );
      if (ofUsers.length > 0) await end(ofUsers);
    }
  }

  /** The ids of all sessions, in parts. */
  async *scan(): AsyncGenerator<readonly string[]> {
    const pattern = `${this.prefix.replaceAll(/[*?[\]\\]/g, String.raw`\$&`)}*`;
    let cursor = '0';
    do {
      const from = cursor;
      const part = await this.connection.run((client) => client.scan(from, { MATCH: pattern, COUNT: KEYS }));
      ({ cursor } = part);
      const sids = part.keys.map((key) => key.slice(this.prefix.length));
      yield sids.filter((sid) => sid.length <= LONGEST_SID && !sid.includes('\0') && sid.isWellFormed());
    } while (cursor !== '0');
  }

  /** Watches for changed sessions by keyspace events, if Redis sends them. */
  async watch(changed: (sids: readonly string[]) => void): Promise<void> {
    if (this.subscriber?.isReady === true) return;
    const report = (key: string) => {
      if (key.startsWith(this.prefix)) changed([key.slice(this.prefix.length)]);
    };
    await this.subscriptions.run(async (client) => {
      this.subscriber = client;
      const events = ['del', 'expired', 'evicted', 'rename_from'];
      await client.pSubscribe(
        events.map((event) => `__keyevent@*__:${event}`),
        report,
      );
    });
  }

  /** Returns the name of the policy for a full memory of Redis. */
  async evictionPolicy(): Promise<string | undefined> {
    const info = await this.connection.run((client) => client.info('memory'));
    return /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  }

  /** The values of the first keys that a search finds. */
  async sample(limit: number): Promise<string[]> {
    const texts: string[] = [];
    for await (const sids of this.scan()) {
      const some = sids.slice(0, limit - texts.length).map((sid) => this.prefix + sid);
      const read = await this.connection.run((client) =>
        Promise.all(some.map((key) => this.read(client, key))),
      );
      texts.push(...read.filter(({ lifetime }) => lifetime !== NO_KEY).map(({ text }) => text));
      if (texts.length >= limit) break;
    }
    return texts;
  }

  async close(): Promise<void> {
    await Promise.all([this.connection.close(), this.subscriptions.close()]);
  }

  /** In one command, if the user of REDIS_URL may run scripts. */
  private async readAll(client: RedisClient, keys: string[]): Promise<Value[]> {
    if (this.mayScript) {
      try {
        const flat = await client.eval(READ, { keys, arguments: [String(LARGEST)] });
        return keys.map((_, index) => valueIn(flat, index));
      } catch (error) {
        if (!isReply(error) || !NO_SCRIPTS.test(error.message)) throw error;
        this.mayScript = false;
      }
    }
    return Promise.all(keys.map((key) => this.read(client, key)));
  }

  /** Both commands travel together. A key of another type is a session that names nobody. */
  private async read(client: RedisClient, key: string): Promise<Value> {
    const [lifetime, text] = await Promise.all([
      client.pTTL(key),
      client.getRange(key, 0, LARGEST).catch((error: unknown) => {
        if (isReply(error) && error.message.startsWith('WRONGTYPE')) return NO_JSON;
        throw error;
      }),
    ]);
    return { lifetime, text: text ?? '' };
  }

  private secondsUntil(time: number): number {
    return Math.max(1, Math.ceil((time - this.clock.now()) / 1000));
  }
}

/** The value of a key in the answer to {@link READ}. */
function valueIn(flat: unknown, index: number): Value {
  const [lifetime, text] = (flat as unknown[]).slice(2 * index, 2 * index + 2);
  return { lifetime: Number(lifetime), text: String(text) };
}
