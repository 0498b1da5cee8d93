import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { ADMIN, NodeProcess } from '../../helpers/node-process.js';
import { ReplicatedDatabase } from '../../helpers/replicated-database.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';

const env = { SESSION_SECRET: 'the secret of the sessions of both nodes' };

/** Milliseconds. */
const SOON = 10_000;

describe('a session on a node that is led to a standby', () => {
  let servers: ReplicatedDatabase;
  let link: TcpProxy;
  let node: NodeProcess;
  let beside: NodeProcess;
  beforeAll(async () => {
    servers = await ReplicatedDatabase.start();
    link = await TcpProxy.to(servers.primaryUrl);
    [node, beside] = [
      await NodeProcess.start({ databaseUrl: link.url, env }),
      await NodeProcess.start({ databaseUrl: servers.primaryUrl, env }),
    ];
  });
  afterAll(async () => {
    await Promise.all([node.remove(), beside.remove()]);
    await link.close();
    await servers.stop();
  });

  async function sessionLogin(): Promise<string> {
    const reply = await fetch(`${node.url}/api/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ADMIN),
    });
    expect(reply.status).toBe(200);
    return reply.headers.getSetCookie()[0]!.split(';')[0]!;
  }

  const statusOf = async (at: NodeProcess, cookie: string) =>
    (await fetch(`${at.url}/api/users/me`, { headers: { cookie } })).status;

  it('is refused after its revocation although the standby has not received it', async () => {
    const cookie = await sessionLogin();
    expect(await statusOf(node, cookie)).toBe(200);
    await servers.caughtUp();
    await servers.disconnect();
    const out = await fetch(`${beside.url}/api/logout`, { method: 'POST', headers: { cookie } });
    expect(out.status).toBe(204);
    expect(await statusOf(node, cookie)).toBe(401);

    link.cut();
    link.lead(servers.standbyUrl);
    link.heal();
    const statuses = new Set<number>();
    await until(async () => {
      statuses.add(await statusOf(node, cookie));
      return (await fetch(`${node.url}/health/ready`)).status === 503;
    }, SOON);
    for (let i = 0; i < 20; i += 1) statuses.add(await statusOf(node, cookie));
    expect([...statuses]).toEqual([503]);
  });
});
