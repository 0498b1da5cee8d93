import { describe, expect, it } from 'vitest';
import pg from 'pg';
import { databaseAddress } from '../../../src/config/database-address.js';

describe('a database URL', () => {
  it.each([
    'postgres://u:p@db:5432/x',
    'postgresql://db/tandem',
    'postgresql:///x?host=/var/run/postgresql',
    'postgresql://u:p%40w@[::1]:5433/x?application_name=a%20b',
    'postgresql://%2Fvar%2Frun%2Fpostgresql/x',
    'postgresql://db/x?sslmode=verify-full&sslrootcert=/ca.pem',
    'postgresql://db/x?uselibpqcompat=true&sslmode=require',
  ])('passes a URL with one host to node-postgres unchanged: %s', (url) => {
    expect(databaseAddress(url)).toMatchObject({ url, hosts: [] });
  });

  it.each([
    ['postgresql://u:p@a:1,b:2/x', 'postgresql://u:p@a:1/x', 'a:1 b:2'],
    ['postgresql://a,b:7,[::1]:3/x', 'postgresql://a:5432/x', 'a:5432 b:7 ::1:3'],
    ['postgresql:///x?host=a,b&port=6', 'postgresql://a:6/x', 'a:6 b:6'],
    ['postgresql:///x?host=a,b&port=6,7&sslmode=disable', 'postgresql://a:6/x?sslmode=disable', 'a:6 b:7'],
    [
      'postgresql://a,b/x?target_session_attrs=read-write&load_balance_hosts=random',
      'postgresql://a:5432/x',
      'a:5432 b:5432',
    ],
  ])('parses every host of a URL with several hosts: %s', (url, first, hosts) => {
    const address = databaseAddress(url);
    expect(address?.url).toBe(first);
    expect(address?.hosts.map(({ host, port }) => `${host}:${port}`).join(' ')).toBe(hosts);
  });

  it.each(['allow', 'prefer', 'require', 'verify-ca'])(
    'with sslmode=%s verifies certificate and host name',
    (mode) => {
      const address = databaseAddress(`postgresql://db/x?sslmode=${mode}`);
      expect(address?.url).toBe('postgresql://db/x?sslmode=verify-full');
      expect(new pg.Client({ connectionString: address!.url })).toMatchObject({ ssl: {} });
    },
  );

  it.each([
    'postgresql://a,,b/x',
    'postgresql://a:0,b/x',
    'postgresql://a:1,b:99999/x',
    'postgresql:///x?host=a,b&port=1,2,3',
    'postgresql://a,b:x/x',
    'postgresql://a, b/x',
    'postgresql://a,%ff/x',
    'https://a/x',
  ])('rejects an invalid database URL: %s', (url) => {
    expect(databaseAddress(url)).toBeUndefined();
  });
});
