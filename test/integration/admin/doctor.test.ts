import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { databaseChecks } from '../../../src/admin/cli/doctor/database.checks.js';
import { runCheck } from '../../../src/admin/cli/doctor/doctor-check.js';
import type { Finding } from '../../../src/admin/cli/doctor/doctor-check.js';
import { jwksChecks, proxyChecks } from '../../../src/admin/cli/doctor/network.checks.js';
import { ServiceChecks } from '../../../src/admin/cli/doctor/service.checks.js';
import { settingsChecks } from '../../../src/admin/cli/doctor/settings.checks.js';
import { AuditSealerService } from '../../../src/audit/sealing/audit-sealer.service.js';
import type { Config } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load-config.js';
import { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { tamper } from '../../helpers/audit-trail.js';
import { TEST_SECRET, createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const linesOf = (findings: readonly Finding[], check: string) =>
  findings.filter((finding) => finding.check === check).map(({ level }) => level);

describe('the doctor', () => {
  let folder: string;
  let node: TestApp;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-doctor-'));
    node = await createTestApp({ listen: true });
  });
  afterAll(async () => {
    await node.close();
    await rm(folder, { recursive: true });
  });

  function config(env: Readonly<Record<string, string>> = {}): Config {
    const own = { DATA_DIR: folder, KEYS_DIR: join(folder, 'keys'), JWT_SECRET: TEST_SECRET };
    return loadConfig({ ...own, ...env });
  }

  it('reports no problem with good settings', async () => {
    const findings = await settingsChecks(config());
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(findings.length).toBeGreaterThanOrEqual(4);
  });

  it.each([
    ['a guessable secret', { JWT_SECRET: 'your-secret-key-here' }, 'jwt_secret', 'warn'],
    ['a secret before that is the same', { JWT_SECRET_PREVIOUS: TEST_SECRET }, 'jwt_secret_previous', 'warn'],
    ['an issuer over http', { JWT_ISSUER: 'http://api.example.com' }, 'cookies', 'fail'],
    [
      'an origin of another site',
      { JWT_ISSUER: 'https://api.example.com', CORS_ORIGINS: 'https://app.example.org' },
      'cookies',
      'warn',
    ],
    ['an endless rate', { AUTH_RATE_LIMIT: '100000' }, 'rate_limit', 'warn'],
    ['no proxy before a public address', { HOST: '0.0.0.0' }, 'trust_proxy', 'warn'],
  ])('reports %s with advice', async (_, env: Readonly<Record<string, string>>, check, level) => {
    const findings = await settingsChecks(config(env));
    expect(linesOf(findings, check)).toEqual([level]);
    for (const finding of findings) if (finding.level !== 'ok') expect(finding.advice).toMatch(/\w/);
    expect(JSON.stringify(findings)).not.toContain(TEST_SECRET);
  });

  it('accepts an origin of the same site', async () => {
    const env = { JWT_ISSUER: 'https://api.example.com', CORS_ORIGINS: 'https://app.example.com' };
    expect(linesOf(await settingsChecks(config(env)), 'cookies')).toEqual(['ok']);
  });

  it('reports a read-only database, such as a standby', async () => {
    const db = await createTestDatabase();
    const name = new URL(db.url).pathname.slice(1);
    await db.database.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    const [finding, ...more] = await databaseChecks(db.url, config());
    expect([finding?.level, finding?.check, more]).toEqual(['fail', 'database', []]);
    expect(finding?.message).toContain('read-only');
    await db.drop();
  });

  it('reports folders in which other users can read secrets or add keys', async () => {
    await mkdir(join(folder, 'secrets'));
    await mkdir(join(folder, 'keys'));
    await chmod(join(folder, 'secrets'), 0o755);
    await chmod(join(folder, 'keys'), 0o777);
    const findings = await settingsChecks(config());
    expect([linesOf(findings, 'data_dir'), linesOf(findings, 'keys_dir')]).toEqual([['fail'], ['fail']]);
    await chmod(join(folder, 'secrets'), 0o700);
    await chmod(join(folder, 'keys'), 0o700);
    expect(linesOf(await settingsChecks(config()), 'files')).toEqual(['ok']);
  });

  it('checks the database without changing it', async () => {
    const commits = (db: TestDatabase, value: string) =>
      db.dataSource.query(
        `ALTER DATABASE "${new URL(db.url).pathname.slice(1)}" SET synchronous_commit = ${value}`,
      );
    await commits(node.db, 'on');
    const findings = await databaseChecks(node.db.url, config());
    for (const check of ['database', 'durability', 'clock', 'migrations'])
      expect([check, linesOf(findings, check)]).toEqual([check, ['ok']]);
    const empty = await createTestDatabase({ migrated: false });
    try {
      const [pending] = (await databaseChecks(empty.url, config())).filter(
        ({ check }) => check === 'migrations',
      );
      expect(pending).toMatchObject({ level: 'warn', message: expect.stringContaining('Core1795000000000') });
      const tables = await empty.database.query(
        `SELECT 1 FROM information_schema.tables WHERE table_schema = 'tandem'`,
      );
      expect(tables).toEqual([]);
      await commits(empty, 'off');
      expect(linesOf(await databaseChecks(empty.url, config()), 'durability')).toEqual(['fail']);
    } finally {
      await empty.drop();
    }
    const nowhere = await databaseChecks('postgres://x:secret-password@127.0.0.1:1/x', config());
    expect(nowhere).toMatchObject([{ check: 'database', level: 'fail' }]);
    expect(JSON.stringify(nowhere)).not.toContain('secret-password');
  });

  it('reports too few connections of the server', async () => {
    const findings = await databaseChecks(node.db.url, { ...config(), workers: 1_000 });
    expect(linesOf(findings, 'connections')).toEqual(['fail']);
  });

  it('checks the keys, the token size, the administrators and the end of the audit trail', async () => {
    const checks = node.app.get(ServiceChecks, { strict: false });
    // The database of the test was prepared some time ago.
    const sealer = node.app.get(AuditSealerService, { strict: false });
    await expect.poll(async () => (await sealer.seal()).outcome).not.toBe('busy');
    const healthy = await checks.examine();
    for (const check of ['keys', 'token_size', 'admins', 'audit'])
      expect([check, linesOf(healthy, check)]).toEqual([check, ['ok']]);
    await node.db.dataSource.query(`UPDATE users SET disabled_at = now() WHERE role = 'admin'`);
    await tamper(
      node.db,
      `INSERT INTO audit_events (id, event) OVERRIDING SYSTEM VALUE VALUES (1000000, 'login')`,
    );
    const ill = await checks.examine();
    expect([linesOf(ill, 'admins'), linesOf(ill, 'audit')]).toEqual([['warn'], ['fail']]);
    const kid = await node.db.dataSource.query<{ kid: string }[]>(
      `UPDATE signing_keys SET distrusted_at = now() RETURNING kid`,
    );
    expect(kid).not.toHaveLength(0);
    expect(linesOf(await checks.examine(), 'keys')).toEqual(['fail']);
  });

  it('reports a JWK Set of another installation', async () => {
    const { keys } = (await (await fetch(`${node.url}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string }[];
    };
    const [{ kid }] = keys as [{ kid: string }];
    expect(linesOf(await jwksChecks(node.url, kid, config()), 'jwks')).toEqual(['ok']);
    expect(linesOf(await jwksChecks(`${node.url}/`, 'another', config()), 'jwks')).toEqual(['fail']);
    expect(linesOf(await jwksChecks(`${node.url}/nothing`, kid, config()), 'jwks')).toEqual(['warn']);
    const production = { ...config(), production: true };
    expect(linesOf(await jwksChecks('http://127.0.0.1:1', kid, production), 'jwks')).toEqual(['fail']);
  });

  it('reports a node that trusts a forged X-Forwarded-For', async () => {
    expect(linesOf(await proxyChecks(node.url, config()), 'proxy')).toEqual(['ok']);
    const trusting = await createTestApp({ listen: true, env: { TRUST_PROXY: '127.0.0.1' } });
    try {
      // From here it cannot be told from the proxy.
      expect(linesOf(await proxyChecks(trusting.url, config({ TRUST_PROXY: '127.0.0.1' })), 'proxy')).toEqual(
        ['warn'],
      );
      // What is believed of anybody else is wrong.
      expect(linesOf(await proxyChecks(trusting.url, config()), 'proxy')).toEqual(['fail']);
    } finally {
      await trusting.close();
    }
    const other = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    try {
      const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
      expect(linesOf(await proxyChecks(url, config()), 'proxy')).toEqual(['warn']);
    } finally {
      other.close();
    }
    expect(linesOf(await proxyChecks('http://127.0.0.1:1', config()), 'proxy')).toEqual(['fail']);
  });

  it('warns about a recorded proxy that TRUST_PROXY does not name', async () => {
    const state = node.app.get(ServiceStateStore, { strict: false });
    const check = () => proxyChecks(node.url, config(), () => state.untrustedProxy());
    expect(linesOf(await check(), 'proxy')).toEqual(['ok']);
    await fetch(`${node.url}/health/live`, { headers: { 'X-Forwarded-For': '198.51.100.7' } });
    await vi.waitFor(async () => expect(await state.untrustedProxy()).toBeDefined(), 10_000);
    expect(await check()).toEqual([
      {
        check: 'proxy',
        level: 'warn',
        message: expect.stringContaining('from 127.0.0.1 with the header x-forwarded-for'),
        advice: expect.stringContaining('set TRUST_PROXY=127.0.0.1;'),
      },
    ]);
    await node.db.database.query(
      `UPDATE service_state SET untrusted_proxy = jsonb_set(untrusted_proxy, '{at}', to_jsonb((untrusted_proxy ->> 'at')::float8 - 90000))`,
    );
    expect(linesOf(await check(), 'proxy')).toEqual(['ok']);
  });

  it('uses each forged X-Forwarded-For only once', async () => {
    const used: string[] = [];
    const server = createServer((request, response) => {
      used.push(String(request.headers['x-forwarded-for']));
      response.setHeader('RateLimit-Remaining', '9').end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      for (let run = 0; run < 300; run += 1) await proxyChecks(url, config());
    } finally {
      server.close();
    }
    // Each run asks three times, from two addresses.
    expect(used).toHaveLength(900);
    expect(new Set(used).size).toBe(600);
    // The limits count larger networks, too.
    const networks = (part: number) => new Set(used.map((address) => address.split(':').slice(0, 3)[part]));
    expect(networks(2).size).toBeGreaterThan(500);
  });

  it('reports a check that throws as a failed finding', async () => {
    const finding = await runCheck('heart', 'rest', () => Promise.reject(new Error('no pulse\nat line 1')));
    expect(finding).toEqual([{ check: 'heart', level: 'fail', message: 'no pulse', advice: 'rest' }]);
  });
});
