import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { runHere } from '../../helpers/command-here.js';
import type { Ran } from '../../helpers/command-line.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { NodeProcess } from '../../helpers/node-process.js';
import { call, tryLogin } from '../../helpers/remote-client.js';

interface State {
  readonly version: number;
  readonly phase: string;
  readonly percentage: number;
  readonly [field: string]: unknown;
}

interface Change {
  readonly version: number;
  readonly cause: string;
  readonly actor: unknown;
  readonly changes: Record<string, unknown>;
}

describe('npm run admin -- rollout, beside a running node', () => {
  let db: TestDatabase;
  let node: NodeProcess;
  let first: State;
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await NodeProcess.start({ databaseUrl: db.url });
    first = await json<State>('status');
  });
  afterAll(async () => {
    await node.remove();
    await db.drop();
  });

  const run = (...args: string[]): Promise<Ran> => runHere(['rollout', ...args], node.environment);

  const query = `SELECT $1 AS external_id WHERE false`;
  const SOURCE = { USERS_SOURCE_BY_NAME: query, USERS_SOURCE_BY_ID: query };

  async function json<T>(...args: string[]): Promise<T> {
    const { code, out, err } = await run(...args, '--json');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return JSON.parse(out) as T;
  }

  async function refused(code: number, ...args: string[]): Promise<string> {
    const ran = await run(...args);
    expect(ran).toMatchObject({ code, out: '' });
    return ran.err;
  }

  const nodeIsIn = (phase: string) =>
    until(async () => {
      const { text } = await call(node, 'GET', '/auth/migration');
      return (JSON.parse(text) as State).phase === phase;
    }, 1_000);

  it('changes only the named settings, on the node within a second', async () => {
    const beta = await json<State>('set', '--phase', 'internal_beta', '--roles', 'user', '--users', 'root');
    expect(beta).toEqual({
      ...first,
      version: first.version + 1,
      phase: 'internal_beta',
      roles: ['user'],
      user_ids: [expect.stringMatching(/^[0-9a-f-]{36}$/)],
    });
    const none = await json<State>('set', '--no-users');
    expect(none).toEqual({ ...beta, version: beta.version + 1, user_ids: [] });
    await nodeIsIn('internal_beta');
    // The administrator has another role, and is eligible in every phase.
    expect((await tryLogin(node)).status).toBe(200);
    const sunset = ['--phase', 'deprecation_notice', '--sunset', '2037-06-30T00:00:00Z'];
    const noticed = await json<State>('set', ...sunset, '--no-roles', '--percentage', '7', '--drain');
    expect(noticed).toEqual({
      ...none,
      version: none.version + 1,
      phase: 'deprecation_notice',
      sunset_at: '2037-06-30T00:00:00.000Z',
      roles: [],
      percentage: 7,
      drain: true,
    });
    await nodeIsIn('deprecation_notice');
    expect((await tryLogin(node)).status).toBe(200);
  });

  it('refuses invalid options, an empty change and an old version', async () => {
    const before = await json<State>('status');
    expect(await refused(1, 'set')).toBe('No setting was named: see --help\n');
    expect(await refused(1, 'set', '--users', 'nobody-there')).toBe(
      'There is no user nobody-there. Add the user with npm run admin -- users create, or import the users of your product\n',
    );
    expect(await refused(1, 'set', '--percentage', '8', '--if-version', `${before.version - 1}`)).not.toBe(
      '',
    );
    expect(await refused(1, 'rollback', '--if-version', `${before.version - 1}`)).not.toBe('');
    for (const wrong of [
      ['--percentage', '101'],
      ['--phase', 'soon'],
      ['--sunset', 'tomorrow'],
      // In 30 days, or 30 days ago?
      ['--sunset', '30d'],
      ['--sunset', '2037-06-30T00:00:00'],
      ['--sunset', '2037-02-30'],
    ])
      expect(await refused(2, 'set', ...wrong)).toContain(wrong[1]);
    expect(await json<State>('status')).toEqual(before);
  });

  it('says how a user of a users source becomes known', async () => {
    const args = ['rollout', 'set', '--users', 'nobody-there'];
    const { code, err } = await runHere(args, { ...node.environment, ...SOURCE });
    expect({ code, err }).toEqual({
      code: 1,
      err: 'There is no user nobody-there. Tandem adds a user of your product at the first request with their session. To add all users now: npm run admin -- users adopt\n',
    });
  });

  it('rolls back one state per call until the first state', async () => {
    const [now, ...earlier] = (await json<{ events: Change[] }>('history')).events;
    const beta = await json<State>('rollback', '--if-version', `${now!.version}`);
    expect(beta).toMatchObject({ phase: 'internal_beta', roles: ['user'], user_ids: [], drain: false });
    await nodeIsIn('internal_beta');
    const named = await json<State>('rollback', '--drain');
    expect(named).toMatchObject({ phase: 'internal_beta', drain: true });
    expect(named['user_ids']).toHaveLength(1);
    const back = await json<State>('rollback', '--no-drain');
    expect(back).toEqual({ ...first, version: now!.version + 3 });
    await nodeIsIn(first.phase);
    expect(earlier).toHaveLength(3);
    expect(await refused(1, 'rollback')).toBe(
      'There is no earlier state: every change is undone. To stop the rollout, set the phase: npm run admin -- rollout set --phase off\n',
    );
  });

  it('lists who changed what, in pages', async () => {
    const { events } = await json<{ events: Change[] }>('history');
    expect(events.map(({ cause }) => cause)).toEqual([
      ...Array.from({ length: 3 }, () => 'rolled_back'),
      ...Array.from({ length: 3 }, () => 'changed'),
      expect.any(String),
    ]);
    const { username } = userInfo();
    for (const { actor } of events.slice(0, 6)) expect(actor).toBe(`command line (${username})`);
    expect(events[6]!.actor).toBeNull();
    expect(events[4]!.changes).toMatchObject({ user_ids: expect.anything() });
    const parts: Change[] = [];
    let cursor: string | null = null;
    do {
      const page = ['history', '--limit', '3', ...(cursor === null ? [] : ['--cursor', cursor])];
      const part: { events: Change[]; next_cursor: string | null } = await json(...page);
      parts.push(...part.events);
      cursor = part.next_cursor;
    } while (cursor !== null);
    expect(parts).toEqual(events);
    const { out, err } = await run('history', '--limit', '2');
    expect(out.split('\n')).toHaveLength(4);
    expect(err).toMatch(/^There is more: --cursor \S+\n$/);
  });

  it('requires a percentage for a phase that makes users eligible', async () => {
    await json<State>('set', '--phase', 'off');
    expect(await refused(1, 'set', '--phase', 'gradual_rollout')).toMatch(/^percentage must be given/);
    expect(await json<State>('status')).toMatchObject({ phase: 'off' });
    const set = ['set', '--phase', 'gradual_rollout', '--percentage', '100'];
    expect(await json<State>(...set)).toMatchObject({ phase: 'gradual_rollout', percentage: 100 });
    await json<State>('rollback');
    await json<State>('rollback');
  });

  it('shows that sessions are removed once the sunset has passed', async () => {
    const passed = ['--phase', 'deprecation_notice', '--sunset', '2020-01-01'];
    expect(await json<State>('set', ...passed)).toMatchObject({ phase: 'sessions_removed' });
    expect((await run('status')).out).toContain('"sessions_removed"');
    await json<State>('rollback');
  });

  it('sets and clears brownouts, by the rules of the API', async () => {
    const brownouts = [
      { from: '2037-05-03T09:00:00.000Z', to: '2037-05-03T09:15:00.000Z' },
      { from: '2037-05-10T09:00:00.000Z', to: '2037-05-10T10:00:00.000Z' },
    ];
    const options = [
      '--brownout',
      '2037-05-10T11:00+02:00/2037-05-10T10:00Z',
      '--brownout',
      '2037-05-03T09:00:00Z/2037-05-03T09:15:00Z',
    ];
    const notice = ['--phase', 'deprecation_notice', '--percentage', '100', '--sunset', '2037-06-30'];
    expect(await json<State>('set', ...notice, ...options)).toMatchObject({ brownouts });
    for (const wrong of [
      '2037-05-03T09:00:00Z',
      '2037-05-03/2037-05-04',
      '2037-05-03T09:00:00Z/2037-05-03T09:15:00',
      '2037-05-03T09:00:00Z/PT15M',
      'a/b/c',
    ])
      expect(await refused(2, 'set', '--brownout', wrong)).toContain(wrong);
    expect(await refused(1, 'set', '--brownout', '2037-05-03T10:00Z/2037-05-03T09:00Z')).toBe(
      'to must be after from\n',
    );
    expect(await refused(1, 'set', '--brownout', '2020-01-01T10:00Z/2020-01-01T11:00Z')).toBe(
      'to must not be over\n',
    );
    expect(await refused(1, 'set', '--brownout', '2038-01-01T10:00Z/2038-01-01T11:00Z')).toBe(
      'to must not be after sunset_at\n',
    );
    expect(await json<State>('status')).toMatchObject({ brownouts });
    expect(await json<State>('set', '--no-brownout')).toMatchObject({
      brownouts: [],
      phase: 'deprecation_notice',
    });
    for (let back = 0; back < 2; back++) await json<State>('rollback');
  });
});
