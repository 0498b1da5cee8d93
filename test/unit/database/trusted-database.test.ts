import type { ClientBase } from 'pg';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { identifyServer } from '../../../src/database/trust/server-identity.js';
import type { ServerIdentity } from '../../../src/database/trust/server-identity.js';
import { TrustedDatabase } from '../../../src/database/trust/trusted-database.js';

const PRIMARY: ServerIdentity = {
  standby: false,
  readOnly: false,
  installation: 'installation/17',
  cluster: '5/7000',
  timeline: 3,
  started: '100.5',
};

describe('TrustedDatabase', () => {
  let trust: TrustedDatabase;
  const of = (change: Partial<ServerIdentity> = {}) => ({ ...PRIMARY, ...change });
  beforeEach(() => {
    trust = new TrustedDatabase();
  });

  it.each([
    ['standby', { standby: true, readOnly: true, timeline: 0 }],
    ['read_only', { readOnly: true }],
  ] as const)('rejects a %s server, even on the first connection', (reason, change) => {
    expect(() => trust.admit(of(change))).toThrow(expect.objectContaining({ reason }));
    expect(trust.distrust).toBe(reason);
    trust.admit(PRIMARY);
    expect(trust.distrust).toBeUndefined();
  });

  it.each([
    ['of another installation', { installation: 'other/17' }],
    ['with the same rows in a table that a restore has made', { installation: 'installation/18' }],
    ['that has no migrations', { installation: null }],
    ['with the same rows on another cluster', { cluster: '5/7001' }],
    ['with the same rows beside the first', { cluster: '6/7000' }],
  ])('rejects a database %s, also on a second attempt', (_what, change) => {
    trust.admit(PRIMARY);
    for (let i = 0; i < 2; i += 1) {
      expect(() => trust.admit(of(change))).toThrow(expect.objectContaining({ reason: 'other_database' }));
    }
    expect(trust.reasonToRefuse(PRIMARY)).toBeUndefined();
  });

  it('trusts the database after its migrations', () => {
    trust.admit(of({ installation: null, cluster: '5', timeline: 0 }));
    trust.admit(PRIMARY);
    expect(trust.reasonToRefuse(of({ installation: 'other/17' }))).toBe('other_database');
  });

  it('trusts a promoted server, and refuses the old primary from then on', () => {
    const before = trust.admit(PRIMARY);
    expect(trust.admit(of({ timeline: 4, started: '50' }))).toBe(before + 1);
    expect(trust.epoch).toBe(before + 1);
    expect(() => trust.admit(PRIMARY)).toThrow(expect.objectContaining({ reason: 'old_primary' }));
  });

  it('distrusts every open connection after a restart of the server', () => {
    const before = trust.admit(PRIMARY);
    expect(trust.admit(PRIMARY)).toBe(before);
    expect(trust.admit(of({ started: '99' }))).toBe(before + 1);
  });

  it('distrusts every open connection if one of them finds the database unfit', () => {
    const before = trust.admit(PRIMARY);
    trust.recheck(PRIMARY, { readOnly: false, installation: PRIMARY.installation });
    expect(trust.epoch).toBe(before);
    expect(() => trust.recheck(PRIMARY, { readOnly: true, installation: PRIMARY.installation })).toThrow(
      'read-only',
    );
    expect(() => trust.recheck(PRIMARY, { readOnly: false, installation: 'restored/18' })).toThrow(
      'restored',
    );
    expect(trust.epoch).toBe(before + 2);
  });
});

describe('identifyServer', () => {
  function client(...failures: readonly { code: string }[]) {
    const query = vi
      .fn<(text: string) => Promise<unknown>>()
      .mockResolvedValue([{ rows: [{}] }, { rows: [PRIMARY] }]);
    for (const failure of failures) query.mockRejectedValueOnce(Object.assign(new Error('no'), failure));
    return { query, base: { query } as unknown as ClientBase };
  }

  it('takes one round trip', async () => {
    const { query, base } = client();
    expect(await identifyServer(base, 'SELECT 1')).toBe(PRIMARY);
    expect(query).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['the hosting provider denies access to server properties', [{ code: '42501' }]],
    ['the hosting provider does not support them', [{ code: '0A000' }]],
    ['the migrations have not run', [{ code: '42P01' }, { code: '42P01' }]],
  ])('asks for fewer properties if %s', async (_when, failures) => {
    const { query, base } = client(...failures);
    expect(await identifyServer(base, 'SELECT 1')).toBe(PRIMARY);
    expect(query).toHaveBeenCalledTimes(failures.length + 1);
    // A failed question has undone the settings.
    for (const [text] of query.mock.calls) expect(text).toMatch(/^SELECT 1;/);
  });

  it('throws if the connection breaks', async () => {
    const { query, base } = client({ code: '57P01' });
    await expect(identifyServer(base, 'SELECT 1')).rejects.toMatchObject({ code: '57P01' });
    expect(query).toHaveBeenCalledTimes(1);
  });
});
