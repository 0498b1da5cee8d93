import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { Clock } from '../../../src/common/clock.js';
import { DatabaseUnavailable } from '../../../src/database/database.errors.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { EXTERNAL_ID_RULES } from '../../../src/users/external-id.js';
import { ImportStore } from '../../../src/users/import/import.store.js';
import { UserImportService } from '../../../src/users/import/import.service.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { ProductAuthorityService } from '../../../src/users/product-authority.service.js';
import type { ImportOptions, RejectedRow } from '../../../src/users/import/import.service.js';
import { PasswordHasher } from '../../../src/users/hashing/password-hasher.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const BCRYPT = '$2b$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.';
const OTHER = '$2b$04$5u1Wcg5rnvN5VL8MpXRVA.3j2dAT/UrUrx7y2SKcfFUIPq0S2RsGy';
const HEADER = 'username,password_hash,email,role,id';

describe('the import of users', () => {
  let test: TestDatabase;
  let store: ImportStore;
  let users: UserImportService;

  beforeAll(async () => {
    test = await createTestDatabase();
    const audit = new AuditStore(test.database);
    const state = new ServiceStateStore(test.database);
    const adminRole = new AdminRole('admin');
    const authority = new ProductAuthorityService(adminRole, state, { productMayMakeAdmins: false });
    store = new ImportStore(test.database, audit, state, adminRole);
    users = new UserImportService(store, new PasswordHasher(new Clock()), authority);
  });
  beforeEach(() => test.database.query('TRUNCATE users CASCADE'));
  afterEach(() => {
    vi.restoreAllMocks();
  });
  afterAll(() => test.drop());

  /** Splits the input into chunks of so many bytes, like a stream. */
  async function* pieces(bytes: Buffer, size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  async function run(input: string | Buffer, size = 7, options: ImportOptions = {}) {
    const rejected: RejectedRow[] = [];
    const bytes = typeof input === 'string' ? Buffer.from(input) : input;
    const watch = { rejected: (row: RejectedRow) => void rejected.push(row) };
    const counts = await users.run(pieces(bytes, size), watch, NO_ORIGIN, options);
    return { ...counts, rows: rejected.toSorted((a, b) => a.line - b.line) };
  }

  const stored = () =>
    test.database.query(
      'SELECT id, username, password_hash, email, role, external_id FROM users ORDER BY username_key',
    );
  const names = async () => (await stored()).map((row) => row['username'] as string);

  it('imports names, hashes, email addresses, roles and ids from CSV', async () => {
    const id = randomUUID();
    const csv = [
      HEADER,
      `Ada,${BCRYPT},ada@example.com,staff,${id.toUpperCase()}`,
      `"grace ""hopper""",${BCRYPT},,,`,
      `"gr,ce",${OTHER},,user,42`,
      '',
      `Zoe\u0308,${BCRYPT},,,legacy:7`,
    ].join('\r\n');
    expect(await run(csv)).toEqual({
      created: 3,
      unchanged: 0,
      kept: 0,
      rejected: 1,
      demoted: 0,
      rows: [{ line: 3, reason: 'username must have 1 to 128 visible characters and no white space' }],
    });
    expect(await stored()).toEqual([
      {
        id,
        username: 'Ada',
        password_hash: BCRYPT,
        email: 'ada@example.com',
        role: 'staff',
        external_id: id,
      },
      expect.objectContaining({
        username: 'gr,ce',
        password_hash: OTHER,
        email: null,
        role: 'user',
        external_id: '42',
      }),
      expect.objectContaining({ username: 'Zoë', external_id: 'legacy:7' }),
    ]);
  });

  it('imports JSON lines with a byte order mark and with numeric ids', async () => {
    const lines = [
      JSON.stringify({ username: 'ada', password_hash: BCRYPT, id: 42, email: null }),
      JSON.stringify({ username: '李', password_hash: OTHER, role: 'admin' }),
    ];
    expect(await run(`\ufeff${lines.join('\n')}`)).toMatchObject({ created: 2, rejected: 0 });
    expect(await stored()).toMatchObject([{ username: 'ada', external_id: '42' }, { username: '李' }]);
  });

  it('sets the id and the external id of a row together', async () => {
    const [id, other] = [randomUUID(), randomUUID()];
    const header = 'username,id,external_id';
    const rows = [
      `both,${id},crm:7`,
      `same,,${other.toUpperCase()}`,
      `text,legacy,legacy`,
      `differs,legacy,crm:8`,
      `uuids,${randomUUID()},${randomUUID()}`,
    ];
    expect(await run([header, ...rows].join('\n'))).toMatchObject({
      created: 3,
      rows: [
        { line: 5, reason: 'id must be a UUID if external_id is another text' },
        { line: 6, reason: 'external_id must be the id if it is a UUID' },
      ],
    });
    expect(await stored()).toMatchObject([
      { username: 'both', id, external_id: 'crm:7', password_hash: null },
      { username: 'same', id: other, external_id: other },
      { username: 'text', external_id: 'legacy' },
    ]);
  });

  it('maps roles, and makes administrators only if it is told to', async () => {
    const csv = ['username,role', 'ada,Chef', 'bob,admin', 'eve,guest'].join('\n');
    const mappedRoles = new Map([
      ['Chef', 'admin'],
      ['admin', 'manager'],
    ]);
    expect(await run(csv, 7, { mappedRoles })).toMatchObject({ created: 3, demoted: 1 });
    const roles = async () => (await stored()).map((row) => row['role']);
    expect(await roles()).toEqual(['user', 'manager', 'guest']);
    expect(await new ServiceStateStore(test.database).refusedAdmin()).toBe('import');
    expect(await run(csv, 7, { mappedRoles })).toMatchObject({ unchanged: 3, demoted: 1 });
    await test.database.query('TRUNCATE users CASCADE');
    expect(await run(csv, 7, { mappedRoles, allowAdmins: true })).toMatchObject({ created: 3, demoted: 0 });
    expect(await roles()).toEqual(['admin', 'manager', 'guest']);
  });

  it.each([
    ['semicolons', `username;password_hash\nada;${BCRYPT}\n`],
    ['tabs', `username\tpassword_hash\nada\t${BCRYPT}\n`],
    ['another order, capitals and quotes', `"Password_Hash", USERNAME \n"${BCRYPT}","ada"\n`],
    ['empty lines before it and no line break at the end', `\n\r\nusername,password_hash\nada,${BCRYPT}`],
  ])('accepts a header with %s', async (_, csv) => {
    for (const size of [1, 1_000]) expect((await run(csv, size)).rejected).toBe(0);
    expect(await names()).toEqual(['ada']);
  });

  it('can be repeated: existing users are unchanged, and no password is replaced', async () => {
    const rows = Array.from({ length: 1_200 }, (_, i) => `user-${i},${BCRYPT},,,${i}`);
    const csv = [HEADER, ...rows].join('\n');
    expect(await run(csv, 65_536)).toMatchObject({ created: 1_200 });
    await test.database.query("UPDATE users SET password_hash = 'renewed' WHERE username = 'user-7'");
    const before = await stored();
    expect(await run(csv, 65_536)).toMatchObject({ created: 0, unchanged: 1_199, kept: 1, rejected: 0 });
    expect(await stored()).toEqual(before);
  });

  it('continues after an interruption: a batch is imported as a whole or not at all', async () => {
    const rows = Array.from({ length: 1_200 }, (_, i) => `user-${i},${BCRYPT},,,${i}`);
    const csv = [HEADER, ...rows].join('\n');
    const add = store.add.bind(store);
    let calls = 0;
    vi.spyOn(store, 'add').mockImplementation((batch, origin) =>
      (calls += 1) === 2 ? Promise.reject(new Error('cut off')) : add(batch, origin),
    );
    await expect(run(csv, 65_536)).rejects.toThrow('cut off');
    expect(await names()).toHaveLength(500);
    expect(await run(csv, 65_536)).toMatchObject({ created: 700, unchanged: 500, rejected: 0 });
    expect(await names()).toHaveLength(1_200);
  });

  it('waits while the database is unavailable for a moment', async () => {
    const add = store.add.bind(store);
    const spy = vi
      .spyOn(store, 'add')
      .mockRejectedValueOnce(new DatabaseUnavailable(new Error('gone')))
      .mockImplementation(add);
    expect(await run(`${HEADER}\nada,${BCRYPT},,,`)).toMatchObject({ created: 1, rejected: 0 });
    expect(spy).toHaveBeenCalledTimes(2);
  });

  it('audits each batch in one event, in the same transaction, without a name or a hash', async () => {
    const [before] = await test.database.query('SELECT coalesce(max(id), 0) AS id FROM audit_events');
    const rows = Array.from({ length: 700 }, (_, i) => `user-${i},${BCRYPT},,${i === 3 ? 'admin' : ''},`);
    await run([HEADER, ...rows].join('\n'), 65_536, { allowAdmins: true });
    await run([HEADER, ...rows].join('\n'), 65_536, { allowAdmins: true });
    const events = await test.database.query(
      'SELECT event, cause, detail FROM audit_events WHERE id > $1 ORDER BY id',
      [before!['id']],
    );
    expect(events).toEqual([
      {
        event: 'import',
        cause: 'created',
        detail: { created: 500, admins: 1, first_line: 2, last_line: 501 },
      },
      {
        event: 'import',
        cause: 'created',
        detail: { created: 200, admins: 0, first_line: 502, last_line: 701 },
      },
    ]);
  });

  it('makes failed logins take longer once an expensive hash is stored, but not for a rejected one', async () => {
    const floor = () => new ServiceStateStore(test.database).failureFloor();
    await run(`username,password_hash\nada,${BCRYPT}\nbob,${BCRYPT.replace('$04$', '$14$')}`);
    expect(await floor()).toBe(250);
    expect(await run(`username,password_hash\neve,${BCRYPT.replace('$04$', '$12$')}`)).toMatchObject({
      created: 1,
    });
    expect(await floor()).toBe(750);
  });

  it.each([
    ['first', ['$04$', '$12$', '$04$']],
    ['last', ['$12$', '$04$', '$04$']],
    ['in another batch', ['$12$', ...Array.from({ length: 600 }, () => '$04$')]],
  ])(
    'raises the failure floor for the most expensive hash of a file, but not for one that is %s',
    async (_, costs) => {
      await test.database.query('UPDATE service_state SET failure_floor = 250');
      const rows = costs.map((cost, i) => `user-${i},${BCRYPT.replace('$04$', cost)}`);
      const outcome = await run(['username,password_hash', ...rows].join('\n'), 65_536);
      expect(outcome).toMatchObject({ created: costs.length, rejected: 0 });
      expect(await new ServiceStateStore(test.database).failureFloor()).toBe(750);
    },
  );

  it('rejects a row with an existing name and another UUID', async () => {
    const id = randomUUID();
    await run(`${HEADER}\nada,${BCRYPT},,,${id}\nbob,${BCRYPT},,,`);
    const before = await stored();
    const [, bob] = before as [unknown, { id: string }];
    const again = [
      HEADER,
      `ada,${BCRYPT},,,${randomUUID()}`,
      `ada,${OTHER},,,${randomUUID()}`,
      `ada,${BCRYPT},,,${bob.id}`,
      `ada,${BCRYPT},,,${id.toUpperCase()}`,
      `ada,${BCRYPT},,,`,
      `bob,${BCRYPT},,,${bob.id}`,
    ];
    const reason = 'another user has this username';
    expect(await run(again.join('\n'))).toEqual({
      created: 0,
      unchanged: 3,
      kept: 0,
      rejected: 3,
      demoted: 0,
      rows: [2, 3, 4].map((line) => ({ line, reason })),
    });
    expect(await stored()).toEqual(before);
  });

  it('reports which of two rows with one name or id it rejected', async () => {
    const id = randomUUID();
    await run(`${HEADER}\nada,${BCRYPT},,,1\nroot,${BCRYPT},,staff,${id}`);
    const again = [
      HEADER,
      `ADA,${BCRYPT},,,1`,
      `ada,${BCRYPT},,,2`,
      `ada,${BCRYPT},,staff,1`,
      `bob,${BCRYPT},,,1`,
      `carl,${BCRYPT},,,${id}`,
      `dora,${BCRYPT},,,9`,
      `dora,${BCRYPT},,,9`,
      `dora,${OTHER},,,9`,
      `dora,${BCRYPT},,,10`,
      `emil,${BCRYPT},,,9`,
      `fred,${BCRYPT},,,${id.replace(/^./, (c) => (c === 'a' ? 'b' : 'a'))}`,
      `fritz,${BCRYPT},,,${id.replace(/^./, (c) => (c === 'a' ? 'b' : 'a'))}`,
    ];
    const username = 'another user has this username';
    const taken = 'another user has this id';
    expect(await run(again.join('\n'))).toEqual({
      created: 2,
      unchanged: 1,
      kept: 1,
      rejected: 8,
      demoted: 0,
      rows: [
        { line: 2, reason: username },
        { line: 3, reason: username },
        { line: 4, reason: username },
        { line: 5, reason: taken },
        { line: 6, reason: taken },
        { line: 10, reason: username },
        { line: 11, reason: taken },
        { line: 13, reason: taken },
      ],
    });
    expect(await names()).toEqual(['ada', 'dora', 'fred', 'root']);
  });

  it('skips every invalid row, says why without quoting it, and imports the others', async () => {
    const commas = ','.repeat(5_000);
    const rows: readonly (readonly [string | Buffer, string])[] = [
      ['short', 'the row has 1 column and the header has 5'],
      [`a,b,c${commas}`, 'the row has 5003 columns and the header has 5'],
      [commas.repeat(200), 'the line is longer than 65536 bytes'],
      ['x'.repeat(3_000_000), 'the line is longer than 65536 bytes'],
      [`"open,${BCRYPT},,,`, 'the row has an unclosed quote'],
      [`a"b,${BCRYPT},,,`, 'the row has an invalid quote'],
      [Buffer.from([0x61, 0xff, 0x2c, 0x62, 0x2c, 0x2c, 0x2c]), 'the line is not in UTF-8'],
      [`nul\0,${BCRYPT},,,`, 'the line contains NUL'],
      [`,${BCRYPT},,,`, 'username is missing'],
      ['md5,5f4dcc3b5aa765d61d8327deb882cf99,,,', 'password_hash has an unknown format or is incomplete'],
      [`cut,${BCRYPT.slice(0, -1)},,,`, 'password_hash has an unknown format or is incomplete'],
      [
        `expensive,${BCRYPT.replace('$04$', '$31$')},,,`,
        'password_hash takes too much time or memory to check',
      ],
      [
        `role,${BCRYPT},,Root,`,
        'role must have 1 to 32 characters of a-z 0-9 _ -, and begin with a letter: map it with --map-role',
      ],
      [`mail,${BCRYPT},nobody,,`, 'email is not a valid address'],
      [`nil,${BCRYPT},,,00000000-0000-0000-0000-000000000000`, 'id must not be the nil UUID'],
      [`long,${BCRYPT},,,${'9'.repeat(129)}`, `id ${EXTERNAL_ID_RULES}`],
      [`slash,${BCRYPT},,,legacy/7`, `id ${EXTERNAL_ID_RULES}`],
      [`dots,${BCRYPT},,,..`, `id ${EXTERNAL_ID_RULES}`],
    ];
    const good = (i: number) => Buffer.from(`good-${i},${BCRYPT},,,\n`);
    const csv = Buffer.concat([
      Buffer.from(`${HEADER}\n`),
      ...rows.flatMap(([row], i) => [Buffer.from(row as string), Buffer.from('\n'), good(i)]),
    ]);
    const result = await run(csv, 65_536);
    expect(result.rows).toEqual(rows.map(([, reason], i) => ({ line: 2 * i + 2, reason })));
    expect(result.created).toBe(rows.length);
  });

  it('skips invalid JSON lines in the same way', async () => {
    const rows: readonly (readonly [string, string])[] = [
      ['{', 'the line is not JSON'],
      ['[]', 'the line is not a JSON object'],
      ['null', 'the line is not a JSON object'],
      ['[['.repeat(20_000), 'the line is not JSON'],
      ['{"username":"a","password_hash":"b","admin":true}', 'the object has 1 field that is unknown'],
      ['{"username":"a","__proto__":{"role":"admin"}}', 'the object has 1 field that is unknown'],
      ['{"username":["a"],"password_hash":"b"}', 'username is not a text'],
      [
        `{"username":"a","password_hash":"pbkdf2:sha256:1000$s\\u0000lt$ab"}`,
        'password_hash contains invalid characters',
      ],
      [
        `{"username":"a","password_hash":"pbkdf2:sha256:1000$s\\ud800lt$ab"}`,
        'password_hash contains invalid characters',
      ],
      [`{"username":"a","password_hash":"${BCRYPT}","id":1.5}`, 'id is not a text'],
    ];
    const good = `{"username":"good","password_hash":"${BCRYPT}"}`;
    const result = await run([good, ...rows.map(([row]) => row)].join('\n'), 65_536);
    expect(result.rows).toEqual(rows.map(([, reason], i) => ({ line: i + 2, reason })));
    expect(await names()).toEqual(['good']);
  });

  const utf16 = Buffer.from(`${HEADER}\nada,${BCRYPT},,,\n`, 'utf16le');
  it.each([
    ['in UTF-16', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]), /UTF-16/],
    ['in UTF-16 without a mark', utf16, /UTF-16/],
    [
      'in big-endian UTF-16',
      Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(utf16).swap16()]),
      /UTF-16/,
    ],
    ['in Latin-1', Buffer.from('username,password_hash,n\u00e4me\n', 'latin1'), /UTF-8/],
    ['compressed', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0]), /compressed/],
    ['empty', Buffer.alloc(0), /empty/],
    ['of empty lines', Buffer.from('\n\n\r\n'), /empty/],
    ['a JSON array', Buffer.from('[{"username":"ada"}]'), /jq/],
    ['without a header', Buffer.from(`ada,${BCRYPT}\n`), /no column username/],
    [
      'of columns that nobody knows',
      Buffer.from(`username,password_hash,is_staff\nada,${BCRYPT},1`),
      /1 column that is unknown/,
    ],
    ['of a column twice', Buffer.from(`username,password_hash,username\nada,${BCRYPT},bob`), /twice/],
    ['of a million columns', Buffer.from(`${HEADER}${',x'.repeat(1_000_000)}\n`), /longer than 65536/],
    ['of a header with an open quote', Buffer.from('"username,password_hash\nada,x\n'), /unclosed quote/],
  ])('refuses a file %s as a whole', async (_, input, reason) => {
    await expect(run(input, 65_536)).rejects.toThrow(reason);
    expect(await names()).toEqual([]);
  });
});
