import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admin } from '../helpers/command-line.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { AtTerminal, HAS_PSEUDO_TERMINAL } from '../helpers/pseudo-terminal.js';
import { call } from '../helpers/remote-client.js';

const PASSWORD = 'correct horse battery staple';
const BCRYPT = '$2b$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.';
const ENTER = '\r';
const CONTROL_C = '\u0003';
/** Shows what was typed in many a prompt. */
const CONTROL_T = '\u0014';

// Without the `script` of util-linux nothing here can give a program a terminal.
describe.runIf(HAS_PSEUDO_TERMINAL)('the command line at a terminal', () => {
  let db: TestDatabase;
  let node: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await NodeProcess.start({ databaseUrl: db.url });
  });
  afterAll(async () => {
    await node.remove();
    await db.drop();
  });

  const at = (...args: string[]) => new AtTerminal(node.environment, node.folder, args);
  const exists = async (username: string) =>
    (
      await admin(node.environment, node.folder, ['users', 'list', '--query', username, '--json'])
    ).out.includes(`"${username}"`);

  it('asks for a new password twice, and shows none of it', async () => {
    const person = at('users', 'create', 'ada');
    await person.shows('Password');
    person.type(`${PASSWORD}${CONTROL_T}${ENTER}`);
    await person.shows('Repeat the password');
    person.type(`${PASSWORD}${ENTER}`);
    expect(await person.exited, person.shown).toBe(0);
    expect(person.shown).toContain('created: ada');
    for (const word of PASSWORD.split(' ')) expect(person.shown).not.toContain(word);
    const body = { username: 'ada', password: PASSWORD };
    expect((await call(node, 'POST', '/auth/login', { body })).status).toBe(200);
  });

  it('changes nothing where the two differ, or the person gives up', async () => {
    const differing = at('users', 'create', 'bob');
    await differing.shows('Password');
    differing.type(`${PASSWORD}${ENTER}`);
    await differing.shows('Repeat the password');
    differing.type(`${PASSWORD}!${ENTER}`);
    expect(await differing.exited, differing.shown).toBe(1);
    expect(differing.shown).toContain('nothing was changed');
    const leaving = at('users', 'create', 'bob');
    await leaving.shows('Password');
    leaving.type(`half of a pass${CONTROL_C}`);
    expect(await leaving.exited, leaving.shown).toBe(1);
    expect(leaving.shown).toContain('Cancelled; nothing was changed');
    expect(leaving.shown).not.toContain('half');
    expect(await exists('bob')).toBe(false);
  });

  it('shows how far an import has come, and to nobody else', async () => {
    const file = join(node.folder, 'users.csv');
    await writeFile(file, `username,password_hash\ngrace,${BCRYPT}\n`);
    const person = at('import', file);
    expect(await person.exited, person.shown).toBe(0);
    expect(person.shown).toMatch(/Importing \(bytes\) .*100% (\d+)\/\1 /);
    expect(person.shown).toContain('1 created');
    const program = at('import', file, '--json');
    expect(await program.exited, program.shown).toBe(0);
    expect(JSON.parse(program.shown)).toMatchObject({ created: 0, unchanged: 1 });
    expect(await admin(node.environment, node.folder, ['import', file])).toMatchObject({ code: 0, err: '' });
  });
});
