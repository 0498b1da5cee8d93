import { describe, expect, it } from 'vitest';
import { listOfIds, sourceQuery } from '../../../../src/transition/accounts/source/source-sql.js';

describe('a query of the users source', () => {
  it.each([
    ['SELECT id AS external_id FROM users WHERE id = $1', ''],
    ["select 1 where $1 <> '; DROP TABLE users'", ''],
    ['SELECT $$a;b$$, $tag$;$$;$tag$ FROM t WHERE id::text = $1', ' -- ;'],
    ['WITH u AS (SELECT * FROM users) SELECT id FROM u WHERE name = $1', ';  '],
    ['VALUES ($1)', ' /* ; */ ; '],
    ['(SELECT "a;b" FROM t WHERE x = $1 /* ; */)', ''],
    [String.raw`SELECT $1 || E'\';'`, ';'],
  ])('is accepted if it is one statement that reads: %s', (statement, rest) => {
    expect(sourceQuery(statement + rest)?.trimEnd()).toBe(statement);
  });

  it.each([
    '',
    'SELECT 1',
    'SELECT $2',
    'SELECT $1, $2',
    'SELECT $1; DROP TABLE users',
    'DELETE FROM users WHERE id = $1',
    'UPDATE users SET a = $1',
    "SELECT '$1'",
    'SELECT $1 /* not closed',
    "SELECT $1, 'not closed",
    'SELECT $$ $1',
    'SELECT $1 --\n; SELECT 2',
    'SELECTED $1',
  ])('is refused otherwise: %s', (text) => {
    expect(sourceQuery(text)).toBeUndefined();
  });

  it.each([
    ['SELECT id AS external_id FROM u WHERE id = $1', 'WHERE id IS NOT NULL'],
    [
      'SELECT id AS external_id FROM u WHERE id::text = $1 AND kind = 2',
      'WHERE id::text IS NOT NULL AND kind = 2',
    ],
    ['SELECT id AS external_id FROM u WHERE id = $1::int', 'WHERE id IS NOT NULL'],
    [
      'SELECT id AS external_id FROM u WHERE id = ($1)::character varying(10) LIMIT 1',
      'WHERE id IS NOT NULL',
    ],
    ['SELECT id AS external_id FROM u WHERE id = CAST($1 AS bigint)', 'WHERE id IS NOT NULL'],
  ])('is turned into a list of all ids: %s', (text, part) => {
    expect(listOfIds(text)?.replace(/\s+/g, ' ')).toContain(part);
  });

  it('is not turned into a list if it uses $1 in another way', () => {
    expect(listOfIds('SELECT id AS external_id FROM u WHERE id = $1 OR name = $1')).toBeUndefined();
    expect(listOfIds(`SELECT id AS external_id FROM u WHERE id > $1::int`)).toBeUndefined();
    expect(listOfIds(`SELECT id AS external_id FROM u WHERE lower(id) = lower($1)`)).toBeUndefined();
  });
});
