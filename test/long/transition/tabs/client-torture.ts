import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { launchChromium } from '../../../helpers/chromium.js';
import type { Seen } from './client-app.js';
import { bundled } from '../../../helpers/client-bundle.js';
import { ClientSite } from '../../../helpers/client-site.js';
import { AppProgram, AppTab } from './client-tabs.js';
import type { AppPlace } from './client-tabs.js';
import { admin } from '../../../helpers/command-line.js';
import { createTestDatabase } from '../../../helpers/database.js';
import { NodeProcess } from '../../../helpers/node-process.js';
import { temporaryFolder } from '../../../helpers/temporary-folder.js';

const USER = { username: 'ada', password: 'correct horse battery staple' };
const HOUR_MS = 3_600_000;
const OFFSETS = [0, HOUR_MS, -HOUR_MS] as const;
/** Of the answers to the clients' calls below /auth/, one in 20 gets lost: 5 per cent. */
const LOST = 20;
/** The shortest life of an access token that the service allows, in seconds. */
const LIFE = '1';
/**
 * The outcomes that an app may see besides 200. None of them is a logout: the service was stopped or starting, an answer got lost, or the app
 * was frozen.
 */
const FAILURES = /^(?:(?:Type|Abort|Timeout)Error: |AuthError: (?:5\d\d|429|403 jwt_not_enabled)|5\d\d$)/;

export interface TortureOptions {
  /** Tabs of a browser, and as many programs of Node. At least four. */
  readonly apps: number;
  /** How many refreshes the service has to answer. */
  readonly refreshes: number;
  /** For each step. */
  readonly timeoutMs: number;
  /** Gets a line after each step. */
  readonly log?: (line: string) => void;
}

/** Sums over all apps that have not been killed. */
export interface Counts {
  readonly answered: number;
  readonly lost: number;
  readonly refreshes: number;
  readonly sent: number;
  readonly outcomes: Record<string, number>;
}

/**
 * Apps in tabs of a browser, which share a login, and in programs of Node, each with a login of its own, use the API until the service has
 * answered `refreshes` refreshes. Meanwhile answers get lost and clocks are off by an hour. A tab and a program are frozen, others are killed,
 * the service is killed and restarted, and a rollback with drain takes the tokens away. Throws if anybody is logged out, if an app no longer
 * works, or if an app has refreshed in the first half of the life of its token.
 */
export async function torture({ apps, refreshes, timeoutMs, log }: TortureOptions): Promise<Counts> {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    const folder = await mkdtemp(join(temporaryFolder(), 'tandem-apps-'));
    ends.push(() => rm(folder, { recursive: true, force: true }));
    const database = await createTestDatabase();
    ends.push(() => database.drop());
    const options = {
      databaseUrl: database.url,
      env: { TOKEN_EXPIRY: LIFE, SESSION_SECRET: 'of a test' },
    };
    let service = await NodeProcess.start(options);
    ends.push(() => service.remove());
    const site = await ClientSite.start(service.url);
    ends.push(() => site.stop());
    site.scripts.set('/app.js', await bundled('test/long/transition/tabs/client-app.ts'));
    const script = join(folder, 'program.mjs');
    await writeFile(
      script,
      await bundled('test/long/transition/tabs/client-program.ts', { platform: 'node' }),
    );
    const browser = await launchChromium();
    ends.push(() => browser.close());
    const context = await browser.newContext();

    const open = async (number: number) => AppTab.open(context, site.url, OFFSETS[number % 3]!);
    const tabs: AppTab[] = [];
    const programs: AppProgram[] = [];
    for (let number = 0; number < apps; number++) {
      tabs.push(await open(number));
      const file = join(folder, `login-${number}`);
      programs.push(AppProgram.start(script, site.url, file, OFFSETS[number % 3]!));
      ends.push(() => programs[number]!.kill());
    }

    const restart = async (signal: NodeJS.Signals) => {
      await service.end(signal);
      service = await NodeProcess.start({ ...options, folder: service.folder });
      site.use(service.url);
    };
    const command = async (args: readonly string[], input?: string) => {
      const ran = await admin(service.environment, service.folder, args, input);
      expect(ran, ran.err).toMatchObject({ code: 0 });
    };
    const roll = (...settings: string[]) => command(['rollout', 'set', ...settings]);
    const poll = { timeout: timeoutMs, interval: 100 };
    const answered = () => site.count('/auth/refresh');
    const began = performance.now();
    const done = (step: string) =>
      log?.(`${Math.round((performance.now() - began) / 1000)} s, ${answered()} refreshes: ${step}`);
    const reach = async (share: number) => {
      const wanted = Math.ceil(refreshes * share);
      await expect.poll(answered, poll).toBeGreaterThanOrEqual(wanted);
      done(`${wanted} reached`);
    };
    /** Each of the apps gets an answer of the API, and new tokens if it uses tokens, after now. */
    const work = async (places: readonly AppPlace[], what: 'refreshes' | 'answers' = 'refreshes') => {
      const count = async (place: AppPlace) => {
        const seen = await place.seen();
        requireLogin(seen);
        const ok = seen.outcomes['200'] ?? 0;
        return what === 'answers' ? ok : Math.min(ok, seen.refreshes);
      };
      const before = await Promise.all(places.map(count));
      const deadline = performance.now() + timeoutMs;
      for (const [index, place] of places.entries()) {
        while ((await count(place)) <= before[index]!) {
          if (performance.now() > deadline)
            throw new Error(`app ${index} stopped: ${JSON.stringify(await place.seen())}`);
          await delay(100);
        }
      }
    };

    // An administrator would keep tokens in every phase. One tab signs in for all of them. Each program signs in for itself.
    await command(['users', 'create', USER.username], USER.password);
    await tabs[0]!.signIn(USER);
    for (const program of programs) await program.signIn(USER);
    const calls = new Map<string, number>();
    site.loses = (path) => {
      if (!path.startsWith('/auth/')) return false;
      calls.set(path, (calls.get(path) ?? 0) + 1);
      return calls.get(path)! % LOST === 0;
    };
    await work([...tabs, ...programs]);
    done('all apps work');
    await reach(0.15);

    const [frozenTab, killedTab] = [tabs[1]!, tabs[2]!];
    const [frozenProgram, killedProgram] = [programs[1]!, programs[2]!];
    await Promise.all([frozenTab.freeze(), frozenProgram.freeze(), killedTab.kill(), killedProgram.kill()]);
    const awake: AppPlace[] = [...tabs, ...programs].filter(
      (place) => ![frozenTab, frozenProgram, killedTab, killedProgram].includes(place as never),
    );
    await work(awake);
    done('the others work while apps are frozen and killed');
    killedProgram.restart();
    await work([...awake, killedProgram]);
    await reach(0.3);

    await restart('SIGKILL');
    await work([...awake, killedProgram]);
    done('all work after the service was killed');
    await Promise.all([frozenTab.thaw(), frozenProgram.thaw()]);
    const all: AppPlace[] = [...awake, killedProgram, frozenTab, frozenProgram];
    await work(all);
    await reach(0.5);

    // Tabs continue with a session. Programs have no cookies for one, so they wait.
    await roll('--phase', 'off', '--drain');
    await expect.poll(() => site.count('/auth/downgrade'), poll).toBeGreaterThan(0);
    const living = all.filter((place) => place instanceof AppTab);
    await work(living, 'answers');
    await restart('SIGTERM');
    await work(living, 'answers');
    done('tabs use sessions');
    await roll('--phase', 'gradual_rollout', '--percentage', '100', '--no-drain');
    // Tabs ask every five minutes. A new tab asks at once, and the others follow it.
    all.push(await open(0));
    await work(all);
    await reach(0.8);
    await restart('SIGKILL');
    await work(all);
    await reach(1);

    return sum(await Promise.all(all.map((place) => place.seen())), answered(), site.lost);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/** Throws if the app has seen a logout. Before the first login in the browser nobody is signed in. */
function requireLogin(seen: Seen): void {
  const login = seen.states.indexOf('signed-in');
  if (login >= 0 && seen.states.includes('signed-out', login))
    throw new Error(`an app was logged out: ${JSON.stringify(seen)}`);
}

/** Adds up what the apps saw, and throws if one of them saw a logout or refreshed too early. */
function sum(all: readonly Seen[], answered: number, lost: number): Counts {
  const outcomes: Record<string, number> = {};
  for (const [index, seen] of all.entries()) {
    const { states, early } = seen;
    requireLogin(seen);
    for (const [outcome, count] of Object.entries(seen.outcomes))
      outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    expect({ index, early, last: states.at(-1) }).toEqual({ index, early: 0, last: 'signed-in' });
  }
  const others = Object.keys(outcomes).filter((each) => each !== '200' && !FAILURES.test(each));
  // Before the login, and while a tab changes from tokens to its session, the API says 401.
  expect(others.filter((each) => each !== '401')).toEqual([]);
  expect(lost).toBeGreaterThan(0);
  const total = (name: 'refreshes' | 'sent') => all.reduce((so, seen) => so + seen[name], 0);
  return { answered, lost, refreshes: total('refreshes'), sent: total('sent'), outcomes };
}
