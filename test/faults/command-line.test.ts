import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ListedEvent } from '../../src/audit/audit-log.store.js';
import type { Verification } from '../../src/audit/sealing/audit-verifier.service.js';
import { findEmbeddedPostgres } from '../../src/database/embedded/embedded-postgres.js';
import { until } from '../helpers/client.js';
import { runHere } from '../helpers/command-here.js';
import { admin } from '../helpers/command-line.js';
import type { Ran } from '../helpers/command-line.js';
import { ADMIN, NodeProcess } from '../helpers/node-process.js';
import { call } from '../helpers/remote-client.js';

const PASSWORD = 'correct horse battery staple';

describe('the command line beside a running node, on the embedded database', () => {
  let node: NodeProcess;
  beforeAll(async () => {
    node = await NodeProcess.start({});
  });
  afterAll(() => node.remove());

  /** A process of its own, as operators start it. */
  const runAlone = (...args: string[]): Promise<Ran> => admin(node.environment, node.folder, args);
  /** The same commands without the start of a process. */
  const run = (...args: string[]): Promise<Ran> => runHere(args, node.environment);
  const withInput = (input: string, ...args: string[]) => admin(node.environment, node.folder, args, input);

  async function done(ran: Promise<Ran>): Promise<string> {
    const { code, out, err } = await ran;
    expect({ code, err }).toEqual({ code: 0, err: expect.any(String) });
    return out;
  }

  async function json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await done(run(...args, '--json'))) as T;
  }

  async function login(username: string, password: string): Promise<string> {
    const reply = await call(node, 'POST', '/auth/login', { body: { username, password } });
    expect(reply.status, reply.text).toBe(200);
    return (JSON.parse(reply.text) as { access_token: string }).access_token;
  }

  const codeAt = async (token: string) => (await call(node, 'GET', '/auth/verify', { token })).code;

  it('creates users, with a password from stdin alone, who can log in', async () => {
    expect(
      await done(withInput(`${PASSWORD}\n`, 'users', 'create', 'ada', '--email', 'ada@example.com')),
    ).toMatch(/^created: ada \([0-9a-f-]{36}\), user\n$/);
    await login('ada', PASSWORD);
    expect(await withInput('short\n', 'users', 'create', 'bob')).toMatchObject({ code: 1, out: '' });
    expect(await withInput('', 'users', 'create', 'bob')).toMatchObject({ code: 1, out: '' });
    expect(await withInput(`${PASSWORD}\n`, 'users', 'create', 'ADA')).toMatchObject({ code: 1, out: '' });
    expect(await runAlone('users', 'create', 'bob', '--password', PASSWORD)).toMatchObject({
      code: 2,
      out: '',
    });
    const { users } = await json<{ users: { username: string }[] }>('users', 'list', '--query', 'ADA@');
    expect(users.map(({ username }) => username)).toEqual(['ada']);
    expect(JSON.stringify(await json('audit', 'list', '--limit', '1000'))).not.toContain(PASSWORD);
  });

  it('ends logins on the node within a second of its own end', async () => {
    const token = await login('ada', PASSWORD);
    expect(await codeAt(token)).toBeUndefined();
    const revoked = await done(runAlone('tokens', 'revoke', '--user', 'ada', '--json'));
    expect(JSON.parse(revoked)).toEqual({ revoked: expect.any(Number) });
    await until(async () => (await codeAt(token)) === 'token_revoked', 1_000);
    const again = await login('ada', PASSWORD);
    const { tokens } = await json<{ tokens: { id: string }[] }>(
      'tokens',
      'list',
      '--user',
      'ada',
      '--active',
    );
    expect(tokens).toHaveLength(1);
    await done(run('tokens', 'revoke', tokens[0]!.id));
    await until(async () => (await codeAt(again)) === 'token_revoked', 1_000);
  });

  it('revokes nobody if more logins match than expected, and needs no fresh password', async () => {
    const tokens = [await login('ada', PASSWORD), await login('ada', PASSWORD)];
    const refused = await runAlone('tokens', 'revoke', '--user', 'ada', '--expected-count', '1');
    expect(refused).toMatchObject({ code: 1, out: '' });
    for (const token of tokens) expect(await codeAt(token)).toBeUndefined();
    expect(await run('tokens', 'revoke', '--expected-count', '9')).toMatchObject({ code: 1, out: '' });
    expect(await run('tokens', 'revoke', '--user', 'ada', '--expected-count', '-1')).toMatchObject({
      code: 2,
    });
    expect(await json('tokens', 'revoke', '--user', 'ada', '--expected-count', '2')).toEqual({ revoked: 2 });
  });

  it('disables, enables and promotes users, resets passwords, and keeps the last administrator', async () => {
    const token = await login('ada', PASSWORD);
    await done(runAlone('users', 'disable', 'ada'));
    await until(async () => (await codeAt(token)) === 'token_revoked', 1_000);
    await done(run('users', 'enable', 'ada'));
    await done(withInput('another long pass phrase\n', 'users', 'reset-password', 'ada'));
    await login('ada', 'another long pass phrase');
    expect(await run('users', 'disable', ADMIN.username)).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('administrator'),
    });
    await done(run('users', 'role', 'ada', 'admin'));
    await done(run('users', 'role', 'ada', 'user'));
    expect(await run('users', 'disable', 'nobody-there')).toMatchObject({
      code: 1,
      err: 'There is no user nobody-there\n',
    });
  });

  it('leaves in the audit trail who used it', async () => {
    const { events } = await json<{ events: ListedEvent[] }>(
      'audit',
      'list',
      '--user',
      'ada',
      '--event',
      'user',
    );
    expect(events.map(({ cause }) => cause)).toEqual([
      'role',
      'role',
      'password',
      'enabled',
      'disabled',
      'created',
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ actor_id: null, ip: null });
      expect(event.user_agent).toMatch(/^tandem command line \(.+\)$/);
    }
    expect(events[0]!.detail).toMatchObject({ via: 'cli', operator: expect.any(String) });
  });

  it('exports the trail as JSON lines, to stdout or a new file, the oldest first', async () => {
    const lines = (await done(runAlone('audit', 'export', '--event', 'user'))).trimEnd().split('\n');
    const ids = lines.map((line) => Number((JSON.parse(line) as ListedEvent).id));
    expect(ids.length).toBeGreaterThan(6);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    const file = join(node.folder, 'audit.jsonl');
    await done(run('audit', 'export', '--event', 'user', '--output', file));
    expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toEqual(lines);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await run('audit', 'export', '--output', file)).toMatchObject({ code: 1 });
  });

  it('finds out that the trail was tampered with', async () => {
    const client = new pg.Client({
      options: '-c search_path=tandem',
      connectionString: await findEmbeddedPostgres(node.environment['DATA_DIR']!),
    });
    await client.connect();
    try {
      await until(async () => (await client.query('SELECT 1 FROM audit_seals')).rows.length > 0, 30_000);
      expect(await json<Verification>('audit', 'verify')).toMatchObject({ intact: true, findings: [] });
      await client.query(`
        ALTER TABLE audit_events DISABLE TRIGGER USER;
        UPDATE audit_events SET ip = '192.0.2.1' WHERE id = 1;
        ALTER TABLE audit_events ENABLE TRIGGER USER`);
      const { code, out } = await runAlone('audit', 'verify', '--json');
      expect(code).toBe(1);
      expect(JSON.parse(out)).toMatchObject({
        intact: false,
        findings: [{ kind: 'changed', first_id: '1' }],
      });
    } finally {
      await client.end();
    }
  });

  it('examines the node that runs', async () => {
    const { code, out, err } = await runAlone('doctor', '--json', '--url', node.url);
    const { checks } = JSON.parse(out) as { checks: { check: string; level: string }[] };
    const levelOf = (name: string) => checks.find(({ check }) => check === name)?.level;
    expect(err).toBe('');
    expect(code).toBe(checks.some(({ level }) => level === 'fail') ? 1 : 0);
    for (const name of [
      'jwt_secret',
      'database',
      'clock',
      'migrations',
      'keys',
      'token_size',
      'admins',
      'proxy',
    ])
      expect([name, levelOf(name)]).toEqual([name, 'ok']);
    // The issuer of the tests is nowhere.
    expect(levelOf('jwks')).toBe('warn');
  });
});

describe('the command line without a node', () => {
  let folder: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-cli-'));
    env = {
      DATA_DIR: join(folder, 'data'),
      KEYS_DIR: join(folder, 'keys'),
      // Commands make no secret.
      JWT_SECRET: 'a secret of this test, 0123456789 abcdefgh',
      RSA_MODULUS_BITS: '2048',
      PORT: '0',
    };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('starts the embedded database and stops it again', async () => {
    const { code, out } = await admin(env, folder, ['keys', 'list', '--json']);
    expect(code).toBe(0);
    expect((JSON.parse(out) as { keys: unknown[] }).keys).toHaveLength(1);
    expect(await findEmbeddedPostgres(env['DATA_DIR']!)).toBeUndefined();
  });

  it('examines a node that it starts for that', async () => {
    const { code, out, err } = await admin(env, folder, ['doctor']);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out).toMatch(/^ok {4}proxy /m);
    expect(out).toMatch(/^warn {2}mail /m);
    expect(await findEmbeddedPostgres(env['DATA_DIR']!)).toBeUndefined();
  });

  it('exits with 78 and a line for each fault of the configuration', async () => {
    for (const command of [['users', 'list'], ['doctor']]) {
      const { code, out, err } = await admin({ ...env, PORT: 'x', TOKEN_EXPIRY: 'y' }, folder, command);
      expect([code, out]).toEqual([78, '']);
      expect(err.trimEnd().split('\n')).toHaveLength(2);
    }
  });

  it('exits with 78 where JWT_SECRET is another one, and changes nothing', async () => {
    const { code, err } = await admin({ ...env, JWT_SECRET: 'another secret, 0123456789 abcdefgh' }, folder, [
      'keys',
      'rotate',
    ]);
    expect(code).toBe(78);
    expect(err).toMatch(/^JWT_SECRET is not /);
  });
});
