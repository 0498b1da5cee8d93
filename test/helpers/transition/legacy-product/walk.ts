import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import pg from 'pg';
import { StateFlagProvider, TOKENS_FLAG } from '../../../../src/transition/rollout/state-flag.provider.js';
import { until } from '../../client.js';
import { createTestDatabase, onServer } from '../../database.js';
import type { TestDatabase } from '../../database.js';
import { runDocument } from '../../doc-blocks.js';
import { NodeProcess } from '../../node-process.js';
import { call, login } from '../../remote-client.js';
import { freePort, Nginx, PROXY_ADDRESS } from './nginx.js';
import { ShopClient } from './shop-client.js';
import type { Kind, Tally } from './shop-client.js';
import { SESSION_SECRET, ShopProcess } from './shop-process.js';

const PROJECT = join(import.meta.dirname, '..', '..', '..', '..');

/** The page whose blocks the operator of the walk runs. */
const PAGE = 'docs/adopt/walk-through.md';

/** Milliseconds that a condition may take. Access tokens live for {@link TOKEN_EXPIRY}. */
const PATIENCE = 180_000;

/** Seconds: so short that tokens expire on the way. */
const TOKEN_EXPIRY = 5;

/** Every third client is of each kind. */
const KINDS: readonly Kind[] = ['web', 'mobile', 'cookie'];

export const JWT_SECRETS = [
  'the first secret of the walk, of more than 32 characters',
  'the second secret of the walk, of more than 32 characters',
] as const;

/** The product, its second service, two nodes and nginx, with clients that call all the time. */
export class Walk {
  readonly tally: Tally = {
    calls: 0,
    exchanged: 0,
    refreshed: 0,
    downgraded: 0,
    repeated: 0,
    unexpected: [],
  };
  readonly clients: ShopClient[] = [];
  /** Users with an account who have not come yet. */
  readonly absent: ShopClient[] = [];
  private readonly nodes: NodeProcess[] = [];
  private services: readonly ShopProcess[] = [];
  private nginx: Nginx | undefined;
  /** The settings of both nodes, as tandem.env has them. */
  private settings: Readonly<Record<string, string>> = {
    ...parse(readFileSync(join(PROJECT, 'examples', 'legacy-product', 'tandem.env'))),
    JWT_SECRET: JWT_SECRETS[0],
    SESSION_SECRET,
    TOKEN_EXPIRY: String(TOKEN_EXPIRY),
    TRUST_PROXY: PROXY_ADDRESS,
  };

  private constructor(
    private readonly db: TestDatabase,
    private readonly folder: string,
  ) {}

  /** The product as it has run for years: its database, the shop and the reports. */
  static async begin(): Promise<Walk> {
    const db = await createTestDatabase({ migrated: false });
    // The server of the tests need not survive a crash, and the doctor says so.
    const name = new URL(db.url).pathname.slice(1);
    await onServer((server) => server.query(`ALTER DATABASE "${name}" SET synchronous_commit = on`));
    const walk = new Walk(db, await mkdtemp(join(tmpdir(), 'tandem-walk-')));
    await ShopProcess.migrate({ databaseUrl: db.url, auth: 'session' });
    await walk.startShop({ databaseUrl: db.url, auth: 'session' });
    return walk;
  }

  get url(): string {
    return this.nginx!.url;
  }

  get shopUrl(): string {
    return this.services[0]!.url;
  }

  get node(): NodeProcess {
    return this.nodes[0]!;
  }

  /** The clients whose users are active. */
  get running(): ShopClient[] {
    return this.clients.filter(({ mayEnd }) => !mayEnd);
  }

  /** Users with sessions of the shop, and others who come later. */
  async populate(users: number, sessions: number): Promise<void> {
    for (let index = 0; index < users; index += 1) {
      const client = this.newClient(KINDS[index % KINDS.length]!, `user-${index}`, this.shopUrl);
      client.reportsUrl = this.services[1]!.url;
      await signedIn(client, '/signup', 201);
      if (index < sessions) this.clients.push(client);
      else this.absent.push(client);
      if (index >= sessions) client.forget();
    }
  }

  /** Starts two nodes in phase off, registers the shop, and starts the changed shop and nginx. */
  async putTandemInFront(): Promise<void> {
    const [open, closed] = [await freePort(), await freePort()];
    this.settings = { ...this.settings, JWT_ISSUER: `http://127.0.0.1:${open}` };
    for (let count = 0; count < 2; count += 1) this.nodes.push(await this.startNode());
    const file = join(this.folder, 'shop-client.json');
    await this.operator('Before the first phase', { CLIENT_FILE: file });
    const { client_id: id, client_secret: secret } = JSON.parse(await readFile(file, 'utf8')) as Record<
      string,
      string
    >;
    await Promise.all(this.services.map((service) => service.stop()));
    const tandem = { url: `http://127.0.0.1:${closed}`, client: `${id}:${secret}` };
    await this.startShop({ databaseUrl: this.db.url, auth: 'proxy', tandem });
    const [first, second] = this.nodes.map(({ url }) => Number(new URL(url).port)) as [number, number];
    const [shop, reports] = this.services.map(({ port }) => port) as [number, number];
    this.nginx = await Nginx.start({ tandem: [first, second], shop, reports, open, closed });
    for (const client of [...this.clients, ...this.absent]) {
      client.url = this.url;
      client.reportsUrl = undefined;
      client.isBehindTandem = true;
    }
  }

  startCalling(): void {
    for (const client of this.clients) client.start();
  }

  /** A new user signs up at the shop, and the client calls from then on. */
  async signUp(kind: Kind, name: string): Promise<ShopClient> {
    const client = this.newClient(kind, name, this.url);
    client.isBehindTandem = true;
    await signedIn(client, '/signup', 201);
    return this.join(client);
  }

  /** A user who was away logs in at the shop, and the client calls from then on. */
  async comeBack(): Promise<ShopClient> {
    const client = this.absent.shift()!;
    await signedIn(client, '/login', 200);
    return this.join(client);
  }

  /** Runs the blocks of a section of the page, as its reader does. */
  operator(section: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    return runDocument(PAGE, this.node.url, { ...this.node.environment, ...env }, section);
  }

  /** Waits until every client has made so many more steps. */
  async steps(count: number): Promise<void> {
    const goals = this.running.map((client) => ({ client, goal: client.steps + count }));
    await this.met(() => goals.every(({ client, goal }) => client.mayEnd || client.steps >= goal));
  }

  /** Waits for a condition. Fails at once if a client was refused. */
  async met(condition: () => boolean): Promise<void> {
    await until(() => {
      if (this.tally.unexpected.length > 0) throw new Error(this.tally.unexpected.slice(0, 5).join('\n'));
      return Promise.resolve(condition());
    }, PATIENCE);
  }

  /** The ids of the users whose clients have tokens. */
  withTokens(): Set<number> {
    return new Set(this.running.filter(({ hasTokens }) => hasTokens).map(({ id }) => id));
  }

  /** The shop's ids of all users who may have tokens at a percentage. Testers always may. */
  async eligible(percentage: number, tester: ShopClient): Promise<Set<number>> {
    // Tandem knows a user from the first use on.
    await this.steps(2);
    const flag = new StateFlagProvider();
    const phase = 'gradual_rollout';
    flag.use({ phase, percentage, roles: [], userIds: [], drain: false, sunsetAt: null, brownouts: [] });
    const ids = new Set([tester.id]);
    const users = await this.sql<{ id: string; external_id: string }>(
      'SELECT id, external_id FROM tandem.users WHERE external_id IS NOT NULL',
    );
    for (const { id, external_id } of users) {
      const { value } = await flag.resolveBooleanEvaluation(TOKENS_FLAG, false, { targetingKey: id });
      if (value) ids.add(Number(external_id));
    }
    return ids;
  }

  /** Restarts one node after the other with changed settings. The other node serves in the meantime. Undefined removes a setting. */
  async restartNodes(changed: Readonly<Record<string, string | undefined>>): Promise<void> {
    const settings = Object.entries({ ...this.settings, ...changed });
    this.settings = Object.fromEntries(settings.filter(([, value]) => value !== undefined)) as Record<
      string,
      string
    >;
    for (const [index, node] of this.nodes.entries()) {
      await node.end();
      this.nodes[index] = await this.startNode(node);
      await this.steps(2);
    }
  }

  /** Every figure of the report that must be zero. */
  async unexpectedLogouts(): Promise<Record<string, unknown>> {
    const { access_token: token } = await login(this.node);
    const { text } = await call(this.node, 'GET', '/admin/rollout/report', { token });
    const { schemes } = JSON.parse(text) as { schemes: Record<string, { unexpected_logouts: unknown }> };
    return Object.fromEntries(
      Object.entries(schemes).map(([scheme, figures]) => [scheme, figures.unexpected_logouts]),
    );
  }

  /** A query in the database that the shop and Tandem share. */
  async sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client(this.db.url);
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.stop()));
    await this.nginx?.stop();
    await Promise.all(this.services.map((service) => service.stop()));
    await Promise.all(this.nodes.map((node) => node.remove()));
    await this.db.drop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private newClient(kind: Kind, name: string, url: string): ShopClient {
    const account = { email: `${name}@example.com`, password: `the password of ${name}` };
    return new ShopClient(url, kind, account, this.tally);
  }

  private join(client: ShopClient): ShopClient {
    this.clients.push(client);
    client.start();
    return client;
  }

  private async startShop(settings: Parameters<typeof ShopProcess.start>[1]): Promise<void> {
    this.services = [
      await ShopProcess.start('shop.js', settings),
      await ShopProcess.start('reports.js', settings),
    ];
  }

  /** A node on a free port, or on the port and with the files of one that has ended. */
  private startNode(ended?: NodeProcess): Promise<NodeProcess> {
    const PORT = ended === undefined ? '0' : new URL(ended.url).port;
    return NodeProcess.start({
      databaseUrl: this.db.url,
      ...(ended === undefined ? {} : { folder: ended.folder }),
      env: { ...this.settings, PORT },
    });
  }
}

async function signedIn(client: ShopClient, path: '/login' | '/signup', wanted: number): Promise<void> {
  const { status } = await client.logIn(path);
  if (status !== wanted) throw new Error(`${path}: ${status}`);
}
