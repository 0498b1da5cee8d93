import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import type { Tokens } from '../helpers/client.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login, logout, refresh, tryLogin, tryRefresh, verify } from '../helpers/remote-client.js';
import { ReplicatedDatabase } from '../helpers/replicated-database.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';

/** Milliseconds. */
const SOON = 10_000;

describe('a node whose connections are led to another server', () => {
  let servers: ReplicatedDatabase;
  let link: TcpProxy;
  let node: NodeProcess;
  let begun: NodeProcess[];
  beforeEach(async () => {
    begun = [];
    servers = await ReplicatedDatabase.start();
    link = await TcpProxy.to(servers.primaryUrl);
    node = await start(link.url);
  });
  afterEach(async () => {
    await Promise.all(begun.map((one) => one.remove()));
    await link.close();
    await servers.stop();
  });

  async function start(databaseUrl: string): Promise<NodeProcess> {
    const one = await NodeProcess.start({ databaseUrl });
    begun.push(one);
    return one;
  }

  function leadTo(databaseUrl: string): void {
    link.cut();
    link.lead(databaseUrl);
    link.heal();
  }

  const ready = async () => {
    const { status, text } = await call(node, 'GET', '/health/ready');
    return status === 200 ? 'ready' : (JSON.parse(text) as { detail: string }).detail;
  };
  /** What it knew of revocations it may act on for a moment. */
  const refuses = (tokens: Tokens) => verify(node, tokens.access_token).then(({ status }) => status === 503);
  const accepts = (tokens: Tokens) => verify(node, tokens.access_token).then(({ status }) => status === 204);

  it('answers 503 on a standby, says so, and recovers when it is led back to the primary', async () => {
    const tokens = await login(node);
    await servers.caughtUp();
    leadTo(servers.standbyUrl);
    await until(() => refuses(tokens), SOON);
    expect(await ready()).toMatch(/^Not ready: database \(standby\)/);
    const answers = [
      verify(node, tokens.access_token),
      tryLogin(node),
      tryRefresh(node, tokens.refresh_token),
    ];
    for (const { status, code } of await Promise.all(answers))
      expect([status, code]).toEqual([503, 'service_unavailable']);
    leadTo(servers.primaryUrl);
    await until(() => accepts(tokens), SOON);
    expect(await ready()).toBe('ready');
    await refresh(node, tokens.refresh_token);
  });

  it('does not start on a standby, and says why', async () => {
    await servers.caughtUp();
    const other = await NodeProcess.spawn({ databaseUrl: servers.standbyUrl });
    begun.push(other);
    expect(await other.exited).toBe(1);
    expect(other.output).toContain('the database server is a standby');
  });

  it('follows a promoted standby, refuses the old primary, and knows what is revoked on the new one', async () => {
    const tokens = await login(node);
    await servers.caughtUp();
    await servers.disconnect();
    // What is lost: transactions, so that those of the new primary have numbers that the node has seen already.
    for (let i = 0; i < 50; i += 1) await login(node);
    await servers.promote();
    leadTo(servers.standbyUrl);
    await until(() => accepts(tokens), SOON);
    const beside = await start(servers.standbyUrl);
    expect((await logout(beside, tokens.access_token)).status).toBe(204);
    await until(async () => (await verify(node, tokens.access_token)).code === 'token_revoked', 1_000);
    expect(node.output).toContain('the database has lost commits');

    const kept = await login(node);
    leadTo(servers.primaryUrl);
    await until(() => refuses(kept), SOON);
    expect(await ready()).toMatch(/^Not ready: database \(old_primary\)/);
    leadTo(servers.standbyUrl);
    await until(() => accepts(kept), SOON);
  });

  it('finds the primary among the hosts of its URL, also after a failover', async () => {
    const several = await start(`${servers.url}?target_session_attrs=read-write`);
    const tokens = await login(several);
    await servers.caughtUp();
    await servers.stopPrimary();
    await servers.promote();
    await until(async () => (await verify(several, tokens.access_token)).status === 204, SOON);
    await refresh(several, tokens.refresh_token);
  });
});
