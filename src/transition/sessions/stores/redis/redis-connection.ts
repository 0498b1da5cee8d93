import { Logger } from '@nestjs/common';
import { unavailable } from '../../../../common/common.errors.js';
import { within } from '../../../../common/within.js';

/** Milliseconds. Redis answers within one; a command that takes longer is given up, and its connection is closed. */
const COMMAND_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 1_000;

/** Milliseconds from a failed attempt to connect to the next one. Until then, callers are refused at once. */
const RETRY_AFTER_MS = 250;

/** Errors of a server that must not be used now, although its connection works: it is loading, or it is a replica. */
const UNUSABLE = /^(?:LOADING|MASTERDOWN|READONLY|CLUSTERDOWN|TRYAGAIN)\b/;

export type RedisClient = Awaited<ReturnType<typeof connect>>;

/** The package is loaded only if sessions are in Redis. It does not reconnect by itself: a dead connection is replaced on demand. */
async function connect(url: string, onError: (error: unknown) => void) {
  const { createClient } = await import('redis');
  const client = createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false },
  });
  client.on('error', onError);
  try {
    await inTime(CONNECT_TIMEOUT_MS, client.connect());
    if ((await inTime(COMMAND_TIMEOUT_MS, roleOf(client))) === 'slave')
      throw new Error('REDIS_URL leads to a replica');
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

/** A user without the right to ask is not refused. */
async function roleOf(client: {
  sendCommand(command: readonly string[]): Promise<unknown>;
}): Promise<unknown> {
  const reply = await client.sendCommand(['ROLE']).catch((error: unknown) => {
    if (isReply(error)) return [];
    throw error;
  });
  return Array.isArray(reply) ? (reply as unknown[])[0] : undefined;
}

/** One connection to Redis. Its errors become 503, and so does every call that takes longer than a second. */
export class RedisConnection {
  private readonly logger = new Logger(RedisConnection.name);
  private opening: Promise<RedisClient> | undefined;
  private client: RedisClient | undefined;
  private failedAt = -Infinity;
  private failure: unknown;
  private closed = false;
  /** Calls that failed, since this process started. */
  failures = 0;

  constructor(private readonly url: string) {}

  /** Does some commands. Any failure is 503, also an error reply that `work` does not handle. */
  async run<T>(work: (client: RedisClient) => Promise<T>): Promise<T> {
    let client: RedisClient | undefined;
    try {
      client = await this.open();
      return await inTime(COMMAND_TIMEOUT_MS, work(client));
    } catch (error) {
      if (!this.closed) this.failures += 1;
      if (client !== undefined && mustReconnect(error)) this.drop(client);
      throw unavailable(error);
    }
  }

  /** Another connection of the same kind, for subscriptions. */
  another(): RedisConnection {
    return new RedisConnection(this.url);
  }

  /** The open connection, or a new one. */
  async open(): Promise<RedisClient> {
    if (this.client?.isReady === true) return this.client;
    if (this.closed) throw new Error('the connection to Redis is closed');
    if (performance.now() - this.failedAt < RETRY_AFTER_MS) throw this.failure;
    this.opening ??= this.connect().finally(() => (this.opening = undefined));
    return this.opening;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.opening?.catch(() => undefined);
    if (this.client !== undefined) this.drop(this.client);
  }

  private async connect(): Promise<RedisClient> {
    try {
      const client = await connect(this.url, (error) => this.noteLoss(error));
      this.client = client;
      if (this.failure !== undefined) this.logger.log('Redis is available again');
      this.failure = undefined;
      return client;
    } catch (error) {
      if (this.failure === undefined) this.logger.warn({ err: error }, 'Redis is unavailable');
      this.failure = error;
      this.failedAt = performance.now();
      throw error;
    }
  }

  /** Every further call would wait for the same dead connection. */
  private drop(client: RedisClient): void {
    if (this.client === client) this.client = undefined;
    client.destroy();
  }

  private noteLoss(error: unknown): void {
    if (!this.closed && this.opening === undefined)
      this.logger.warn({ err: error }, 'the connection to Redis was lost');
  }
}

/** Whether Redis answered that it did not execute the command. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && /^[A-Z]+\b/.test(error.message);
}

function mustReconnect(error: unknown): boolean {
  return !isReply(error) || UNUSABLE.test(error.message);
}

function inTime<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return within(milliseconds, work, () => {
    throw new Error('Redis did not answer in time');
  });
}
