import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SourceStateStore } from '../../../src/transition/accounts/source-state.store.js';
import type { TestApp } from '../../helpers/app.js';
import { login, refresh, sql, tryLogin, tryRefresh, until } from '../../helpers/client.js';
import { change, hashOf, productNode, signUp, stored } from '../../e2e/transition/product-users.js';
import { statusOf } from '../../e2e/transition/session-client.js';

describe('a product whose users are suddenly missing', () => {
  let node: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    node = await productNode();
    other = await productNode({ db: node.db });
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  it('logs hardly anybody out: after 20 queries they are errors, until an operator confirms', async () => {
    const logins = [];
    for (let count = 0; count < 30; count += 1) {
      const user = await signUp(node);
      logins.push({ user, tokens: await login(node, { ...user, id: '' }) });
    }
    // Names that nobody has are no evidence: anybody can send them.
    for (let count = 0; count < 25; count += 1)
      await tryLogin(node, { id: '', username: `nobody-${count}`, password: 'x' });
    await sql(node, `CREATE TABLE product.kept AS SELECT * FROM product.accounts`);
    await sql(node, `DELETE FROM product.accounts`);
    const statuses: string[] = [];
    for (const [index, { tokens }] of logins.entries())
      statuses.push(statusOf(await tryRefresh(index % 2 === 0 ? node : other, tokens.refresh_token)));
    const ended = statuses.filter((status) => status === '401 refresh_token_revoked').length;
    expect(ended).toBeLessThan(20);
    expect(ended).toBeGreaterThan(0);
    expect(statuses.slice(20)).toEqual(Array.from({ length: 10 }, () => '503 service_unavailable'));
    const metrics = await node.app.inject({ url: '/metrics' });
    expect(metrics.body).toMatch(/^tandem_users_source_alarm 1$/m);
    // The product puts the rows back. Nobody who got a 503 has lost anything.
    await sql(node, `INSERT INTO product.accounts SELECT * FROM product.kept`);
    const last = logins.at(-1)!;
    const next = await refresh(node, last.tokens.refresh_token);
    await sql(node, `DELETE FROM product.accounts`);
    expect(statusOf(await tryRefresh(node, next.refresh_token))).toBe('503 service_unavailable');
    await node.app.get(SourceStateStore).confirm(15);
    await until(
      async () => statusOf(await tryRefresh(node, next.refresh_token)) === '401 refresh_token_revoked',
      5_000,
    );
    expect(await stored(node, last.user.id)).toMatchObject({ disabled: true });
  });
});

describe('a hash of the product that costs much', () => {
  it('raises the shortest time of failed logins on every node, up to the limit of the import', async () => {
    const node = await productNode();
    try {
      const floor = async () =>
        (await sql<{ failure_floor: number }>(node, `SELECT failure_floor FROM service_state`))[0]!
          .failure_floor;
      const user = await signUp(node, {
        hash: '$2b$12$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S',
      });
      expect(statusOf(await tryLogin(node, { ...user, id: '' }))).toBe('401 invalid_credentials');
      expect(await floor()).toBe(750);
      // This one would take minutes. It is not checked, and the doctor says so.
      await change(node, user, 'hash = $2', ['$2b$20$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S']);
      expect(statusOf(await tryLogin(node, { ...user, id: '' }))).toBe('401 invalid_credentials');
      expect(await floor()).toBe(750);
      const faults = await node.app.get(SourceStateStore).faults();
      expect(faults.map(({ fault }) => fault)).toEqual([
        'a password_hash takes too much time or memory to check',
      ]);
      await change(node, user, 'hash = $2', [hashOf('cheap again')]);
      expect((await tryLogin(node, { ...user, id: '', password: 'cheap again' })).statusCode).toBe(200);
    } finally {
      await node.close();
    }
  });
});
