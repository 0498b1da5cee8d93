import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admin } from '../helpers/command-line.js';
import { NodeProcess } from '../helpers/node-process.js';

const README = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');

interface Step {
  readonly line: string;
  /** The arguments of curl, as a shell would split them. */
  readonly args: readonly string[];
  /** What the comment behind the call says. */
  readonly status: number | undefined;
  /** The fields of the answer that the line below shows. */
  readonly fields: readonly string[];
}

/** The lines of the first block of shell commands under the heading. */
function walkThrough(): string[] {
  const section = README.split(/^## /m).find((text) => text.startsWith('See it work\n')) ?? '';
  return (/```bash\n(.*?)```/s.exec(section)?.[1] ?? '').trim().split('\n');
}

function stepsOf(lines: readonly string[]): Step[] {
  return lines.flatMap((line, index) => {
    if (!line.startsWith('curl ')) return [];
    const shown = /^# (\{.*\})$/.exec(lines[index + 1] ?? '')?.[1] ?? '';
    const status = /\s# (\d{3})\b/.exec(line)?.[1];
    return [
      {
        line,
        args: words(line.replace(/\s+# \d{3}\b.*$/, '')).slice(1),
        status: status === undefined ? undefined : Number(status),
        fields: [...shown.matchAll(/"(\w+)":/g)].map(([, name]) => name!),
      },
    ];
  });
}

function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare!,
  );
}

/** Does what curl would. */
async function curl(args: readonly string[], fill: (text: string) => string): Promise<Response> {
  const headers = new Headers();
  let [url, method, body]: (string | undefined)[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index]!;
    if (arg === '-X') method = args[(index += 1)];
    else if (arg === '-d') body = fill(args[(index += 1)]!);
    else if (arg === '-H') {
      const [, name, value] = /^([\w-]+): (.*)$/.exec(fill(args[(index += 1)]!))!;
      headers.set(name!, value!);
    } else if (arg.startsWith('http://')) url = fill(arg);
    else throw new Error(`the walk-through needs curl ${arg}, which is not understood here`);
  }
  return fetch(url!, {
    method: method ?? 'GET',
    headers,
    signal: AbortSignal.timeout(10_000),
    body: body ?? null,
  });
}

describe('the walk-through of the README', () => {
  const lines = walkThrough();
  let node: NodeProcess;
  beforeAll(async () => {
    const secret = /^export JWT_SECRET="(.*)"$/.exec(lines[0] ?? '')?.[1];
    expect(lines[1]).toBe('npm ci && npm start');
    // The rest as it is by itself: an empty variable counts as unset.
    const unset = ['JWT_ISSUER', 'RSA_MODULUS_BITS', 'AUTH_RATE_LIMIT', 'ADMIN_USERNAME', 'ADMIN_PASSWORD'];
    node = await NodeProcess.start({
      script: 'scripts/start.mjs',
      env: { ...Object.fromEntries(unset.map((name) => [name, ''])), JWT_SECRET: secret! },
    });
  });
  afterAll(() => node.remove());

  it('works, call by call', async () => {
    const steps = stepsOf(lines);
    expect(steps.map(({ status }) => status)).toEqual([undefined, 200, 401, undefined, 204]);
    const known = new Map<string, string>();
    const fill = (text: string): string =>
      text
        .replace('http://localhost:5000', node.url)
        .replaceAll(/<(access_token|refresh_token)>/g, (_, name: string) => known.get(name)!);
    for (const { line, args, status, fields } of steps) {
      const answer = await curl(args, fill);
      expect(`${line} → ${answer.status}`).toBe(`${line} → ${status ?? 200}`);
      const text = await answer.text();
      if (text === '') continue;
      const body = JSON.parse(text) as Record<string, unknown>;
      expect(Object.keys(body)).toEqual(expect.arrayContaining([...fields]));
      if (line.includes('/api/users') && status === 200) {
        expect(body['users']).toMatchObject([{ username: 'test', role: 'user' }]);
      }
      for (const name of ['access_token', 'refresh_token']) {
        if (typeof body[name] === 'string') known.set(name, body[name]);
      }
    }
    const again = await curl(steps[1]!.args, fill);
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ code: 'token_revoked' });
  });

  it('gets an administrator by the command that follows it, which needs no exported secret', async () => {
    const command = /`npm run admin -- (users create \S+ --role admin)`/.exec(README)![1]!;
    const password = 'correct horse battery staple';
    const shell = { DATA_DIR: node.environment['DATA_DIR']! };
    const secrets = () => readdirSync(join(shell.DATA_DIR, 'secrets')).toSorted();
    const before = secrets();
    const created = await admin(shell, node.folder, command.split(' '), `${password}\n`);
    expect(created).toMatchObject({ code: 0, out: expect.stringContaining('admin') });
    expect(secrets()).toEqual(before);
    expect(before).not.toContain('jwt-secret');
    const [login] = stepsOf(lines);
    const asAdmin = (text: string) =>
      text
        .replace('http://localhost:5000', node.url)
        .replace('"test"', `"${command.split(' ')[2]}"`)
        .replace('test123', password);
    const { access_token: token } = (await (await curl(login!.args, asAdmin)).json()) as {
      access_token: string;
    };
    const users = await fetch(`${node.url}/admin/users`, { headers: { Authorization: `Bearer ${token}` } });
    expect(users.status).toBe(200);
  });

  it('begins with the output of the start', () => {
    expect(node.output).toContain('Tandem is ready at http://localhost:');
    expect(node.output).toMatch(/Swagger UI: http:\/\/localhost:\d+\/docs/);
    expect(node.output).toContain('Walk-through: README.md');
    expect(node.output).toContain('users create NAME --role admin');
    expect(node.output).not.toMatch(/RouterExplorer|InstanceLoader/);
    expect(node.output).toContain('JWT_SECRET');
    expect(node.output).not.toContain('your-secret-key-here');
    expect(node.output).not.toContain('test123');
  });
});
