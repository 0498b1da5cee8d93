import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loggedError, loggedErrorText } from '../../../../src/common/logging/logged-error.js';

const SECRET = 'hunter2-secret';

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

const text: unknown = SECRET;

/** What the engine and Node say of a value that is wrong. */
const QUOTING: Readonly<Record<string, () => unknown>> = {
  'JSON.parse': () => JSON.parse(SECRET),
  'JSON.parse of an object': () => JSON.parse(`{"a":${SECRET}}`),
  BigInt: () => BigInt(SECRET),
  'a regular expression': () => new RegExp(`(${SECRET}`),
  in: () => 'a' in (text as object),
  'a property of text': () => ((text as { a: number }).a = 1),
  'a property of undefined': () => (undefined as unknown as Record<string, unknown>)[SECRET],
  'a Map': () => new Map([text] as never),
  'a prototype': () => Object.create(text as object) as unknown,
  'a frozen object': () => ((Object.freeze({ [SECRET]: 1 }) as Record<string, number>)[SECRET] = 2),
  'an encoding': () => Buffer.from('', SECRET as BufferEncoding),
  'an argument of Node': () => Buffer.alloc(text as number),
  'a path': () => readFileSync(`${SECRET}\0`),
  'a locale option': () => new Intl.NumberFormat('en', { style: SECRET as 'percent' }),
  'a header': () => new Headers({ [`${SECRET} x`]: '' }),
};

describe('a logged error', () => {
  it.each(Object.entries(QUOTING))('does not contain the value that %s quotes', (_, work) => {
    const error = thrownBy(work);
    expect(`${error.message} ${JSON.stringify(error)}`).toContain(SECRET);
    const logged = loggedError(new Error('outer', { cause: error }));
    expect(JSON.stringify(logged)).not.toContain(SECRET);
    expect(logged?.cause?.type).toBe(error.name);
    expect(logged?.cause?.stack).toContain('logged-error.test');
  });

  it('contains no line of the message that looks like a stack frame', () => {
    const error = new TypeError(`wrong: x\n    at ${SECRET} (file:///a.js:1:1)\n    at ${SECRET}`);
    const logged = loggedError(error);
    expect(JSON.stringify(logged)).not.toContain(SECRET);
    expect(logged?.stack).toContain('logged-error.test');
  });

  it('contains no stack if the message was changed later', () => {
    const error = thrownBy(() => JSON.parse(SECRET));
    error.message = 'changed';
    expect(JSON.stringify(loggedError(error))).not.toContain(SECRET);
  });

  it.each([
    ['22P02', `invalid input syntax for type uuid: "${SECRET}"`],
    ['22003', `value "${SECRET}" is out of range for type integer`],
    ['22007', `invalid input syntax for type timestamp: "${SECRET}"`],
    ['P0001', `a trigger does not like ${SECRET}`],
    ['ERR_INVALID_ARG_VALUE', `The argument is invalid. Received '${SECRET}'`],
  ])('does not contain the value that code %s quotes', (code, message) => {
    const error = Object.assign(new Error(message), { code, severity: 'ERROR' });
    expect(loggedError(error)).toMatchObject({ code, type: 'Error' });
    expect(JSON.stringify(loggedError(error))).not.toContain(SECRET);
  });

  it('contains nothing that PostgreSQL or a library attached', () => {
    const error = Object.assign(
      new Error('duplicate key value violates unique constraint "users_username_key_unique"'),
      {
        code: '23505',
        detail: `Key (username_key)=(${SECRET}) already exists.`,
        where: SECRET,
        hint: SECRET,
        parameters: [SECRET],
        query: SECRET,
        input: SECRET,
      },
    );
    expect(JSON.stringify(loggedError(error))).not.toContain(SECRET);
    expect(loggedError(error)?.message).toContain('users_username_key_unique');
  });

  it('contains no code that is free text, and nothing of a value that is no error', () => {
    const error = Object.assign(new Error('x'), { code: `${SECRET} ` });
    expect(loggedError(error)?.code).toBeUndefined();
    expect(JSON.stringify([loggedError(SECRET), loggedError({ message: SECRET })])).not.toContain(SECRET);
  });

  it('names the kind of bug', () => {
    const nothing = undefined as unknown as { a: number };
    expect(loggedError(thrownBy(() => nothing.a))?.message).toBe('Cannot read properties of undefined');
    const wrong = {} as { call: () => void };
    expect(loggedError(thrownBy(() => wrong.call()))?.message).toBe('is not a function');
    expect(loggedError(new Error('a text of ours'))?.message).toBe('a text of ours');
  });

  it('has the same content as text, with its causes', () => {
    const cause = thrownBy(() => JSON.parse(SECRET));
    const shown = loggedErrorText(new Error('outer', { cause }));
    expect(shown).toMatch(/^Error: outer\n +at [\s\S]+caused by SyntaxError: message left out/);
    expect(shown).not.toContain(SECRET);
  });
});
