import { describe, expect, it } from 'vitest';
import { sourceRow } from '../../../../src/transition/accounts/source/source-row.js';

const read = (row: object, asked?: string) => sourceRow(JSON.stringify(row), asked);

describe('a row of the users source', () => {
  it('takes numbers as text, also those beyond the numbers of JavaScript', () => {
    expect(sourceRow('{"external_id": 9007199254740993}', '9007199254740993').externalId).toBe(
      '9007199254740993',
    );
  });

  it('compares a UUID in lower case', () => {
    const id = 'ABCDEF01-2345-4789-8BCD-EF0123456789';
    expect(read({ external_id: id }, id.toLowerCase()).externalId).toBe(id.toLowerCase());
  });

  it('takes every other column or none', () => {
    expect(read({ external_id: 'a' })).toMatchObject({
      passwordHash: undefined,
      role: undefined,
      disabled: false,
    });
    const full = {
      external_id: 'a',
      username: 'Ada',
      password_hash: null,
      email: 'nonsense',
      role: null,
      disabled: true,
    };
    expect(read({ ...full, password_changed_at: 1767225600 })).toMatchObject({
      username: 'Ada',
      passwordHash: null,
      email: null,
      role: 'user',
      disabled: true,
      passwordChangedAt: '1767225600',
    });
  });

  it.each<[string, object]>([
    ['the row has no external_id, or one that is not valid', {}],
    ['the row has no external_id, or one that is not valid', { external_id: null }],
    ['the row has no external_id, or one that is not valid', { external_id: 1.5 }],
    ['the row has no external_id, or one that is not valid', { external_id: true }],
    ['the row has no external_id, or one that is not valid', { external_id: 'a b' }],
    ['the row has another external_id than the one asked for', { external_id: '6' }],
    ['the row has another external_id than the one asked for', { external_id: 'A' }],
    ['a column has its name in capitals', { external_id: 'a', Disabled: true }],
    ['username is not a text', { external_id: 'a', username: 5 }],
    ['password_hash is not a text', { external_id: 'a', password_hash: {} }],
    ['email is not a text', { external_id: 'a', email: [] }],
    ['role is not the name of a role', { external_id: 'a', role: 'Admin' }],
    ['disabled is not true or false', { external_id: 'a', disabled: null }],
    ['disabled is not true or false', { external_id: 'a', disabled: 0 }],
    ['password_changed_at is not a time', { external_id: 'a', password_changed_at: false }],
  ])('is refused: %s %j', (fault, row) => {
    expect(() => read(row, 'a')).toThrow(fault);
  });
});
