import { expect } from 'vitest';
import { NO_ORIGIN } from '../../../../src/audit/audit-context.js';
import type { OpenedFamily } from '../../../../src/tokens/families/refresh-token.service.js';
import type { LiveSession } from '../../../../src/transition/sessions/stores/session.store.js';
import type { TestDatabase } from '../../../helpers/database.js';
import { exchangeSession, someUsers } from '../session-node.js';
import type { SessionNode } from '../session-node.js';

/** The product's side of a store. */
export interface ProductSessions {
  /** The id of a session that the product is going to write. */
  newSid(): string;
  /** Writes a session, also one that was deleted. `life` in milliseconds. */
  write(sid: string, session: object, life: number): Promise<void>;
  end(sid: string): Promise<void>;
  /** Milliseconds; undefined if there is no such session. */
  lifeOf(sid: string): Promise<number | undefined>;
  /** The name that the product has for a user of Tandem. Undefined: the user's id. */
  nameOf?(id: string): Promise<string>;
}

/** What a store cannot do by construction. The contract then requires what docs/adopt/sessions.md says instead. */
export interface Limits {
  /** Tandem can neither extend a session there, nor look at one that no request and no refresh is about. */
  readonly opaque?: boolean;
  /** The product keeps a user for each session and nothing else. */
  readonly withoutContent?: boolean;
}

export interface StartedStore {
  readonly db: TestDatabase;
  /** Two nodes on one database and one store. */
  readonly nodes: readonly [SessionNode, SessionNode];
  readonly product: ProductSessions;
  /** What a request with the cookie of the session finds. Undefined: the cookie names the id. */
  readonly use?: (at: SessionNode, sid: string) => Promise<LiveSession | undefined>;
  stop(): Promise<void>;
}

/** A user of Tandem, as the product knows it. */
export interface Person {
  readonly id: string;
  readonly externalId: string | null;
  readonly name: string;
}

/** A user with a session that the product began. */
export interface Visitor extends Person {
  readonly sid: string;
}

export interface LinkedVisitor extends Visitor {
  readonly login: OpenedFamily;
}

export const HOUR = 3_600_000;

const NAME = `UPDATE users SET external_id = $2 WHERE id = $1`;

/** A store with its product and two nodes, and what the tests of the contract do with them. */
export class StoreUnderTest {
  constructor(private readonly started: StartedStore) {}

  get node(): SessionNode {
    return this.started.nodes[0];
  }

  get other(): SessionNode {
    return this.started.nodes[1];
  }

  get nodes(): readonly SessionNode[] {
    return this.started.nodes;
  }

  get product(): ProductSessions {
    return this.started.product;
  }

  /** As express-session keeps it. */
  content(name: string, maxAge: number | null = HOUR): object {
    return { cookie: { originalMaxAge: maxAge, httpOnly: true, path: '/' }, userId: name };
  }

  /** A user without a session. */
  async person(): Promise<Person> {
    const [id] = await someUsers(this.node.database, 1);
    const externalId = (await this.product.nameOf?.(id!)) ?? null;
    if (externalId !== null) await this.node.database.query(NAME, [id, externalId]);
    return { id: id!, externalId, name: externalId ?? id! };
  }

  async visitor(life = HOUR): Promise<Visitor> {
    const person = await this.person();
    return { ...person, sid: await this.session(person.name, life) };
  }

  /** Another session of the product. Returns its id. */
  async session(name: string, life = HOUR): Promise<string> {
    const sid = this.product.newSid();
    await this.product.write(sid, this.content(name), life);
    return sid;
  }

  async linked(life?: number): Promise<LinkedVisitor> {
    const visitor = await this.visitor(life);
    return { ...visitor, login: (await this.exchange(this.node, visitor.sid)) as OpenedFamily };
  }

  /** What a request with the session finds. */
  use(at: SessionNode, sid: string): Promise<LiveSession | undefined> {
    return (this.started.use ?? ((node, id) => node.store.live(id)))(at, sid);
  }

  /** The login, or the code of the refusal. */
  async exchange(at: SessionNode, sid: string): Promise<OpenedFamily | string> {
    const session = await this.use(at, sid);
    return session === undefined ? 'session_invalid' : exchangeSession(at, session);
  }

  refresh(at: SessionNode, { token }: OpenedFamily) {
    return at.refreshes.present(token, NO_ORIGIN);
  }

  async isRevoked({ family }: OpenedFamily): Promise<boolean> {
    return (await this.node.families.find(family.sid))!.revoked;
  }

  async revokeUser(id: string, exceptSession?: string): Promise<void> {
    const options =
      exceptSession === undefined
        ? ({ reason: 'revoke', event: 'revoke' } as const)
        : ({ reason: 'password', event: 'user', exceptSession } as const);
    await this.node.revocations.revokeUser(id, options, NO_ORIGIN);
  }

  /** The session is refused for good. Until a store knows that, it may answer 503. */
  async refused(at: SessionNode, sid: string): Promise<void> {
    await expect.poll(() => this.use(at, sid).catch(() => '503')).toBeUndefined();
  }

  /** The session is accepted, perhaps after answers of 503. */
  async accepted(at: SessionNode, sid: string, userId: string): Promise<void> {
    await expect.poll(() => this.use(at, sid).catch(() => '503')).toMatchObject({ userId });
  }

  /** One pass of the watcher over all linked sessions. */
  async look(at: SessionNode): Promise<void> {
    for (let polls = 0; polls < 4; polls += 1) await at.watcher.poll();
  }
}
