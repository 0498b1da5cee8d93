import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';

/** More than Node lets wait by itself. */
const CROWD = 1_500;

const isLinux = process.platform === 'linux';
const allowed = isLinux ? Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')) : 0;

/** Connections that the kernel has made for whoever listens on the port, and nobody has taken yet. */
function waitingAt(port: number): number {
  const listening = new RegExp(
    `^ *\\d+: \\w+:${port.toString(16).toUpperCase().padStart(4, '0')} \\w+:0000 0A \\w+:(\\w+)`,
    'm',
  );
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const found = listening.exec(readFileSync(table, 'utf8'))?.[1];
    if (found !== undefined) return Number.parseInt(found, 16);
  }
  throw new Error(`nobody listens on port ${port}`);
}

describe.runIf(isLinux && allowed >= CROWD)('a node that stands still for a moment', () => {
  let db: TestDatabase;
  const nodes: NodeProcess[] = [];
  const sockets: Socket[] = [];
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await db.drop();
  });

  it.each([
    ['a single one', {}],
    ['the supervisor of several', { WORKERS: '2' }],
  ])('keeps everybody who comes meanwhile: %s', async (_, env) => {
    const node = await NodeProcess.start({ databaseUrl: db.url, env });
    nodes.push(node);
    const port = Number(new URL(node.url).port);
    node.signal('SIGSTOP');
    try {
      for (let count = 0; count < CROWD; count += 1) sockets.push(connect(port, '127.0.0.1'));
      await until(() => Promise.resolve(waitingAt(port) === CROWD), 10_000);
    } finally {
      node.signal('SIGCONT');
    }
    const answers = sockets.map((socket) => text(socket));
    for (const socket of sockets) {
      socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    }
    const statuses = (await Promise.all(answers)).map((answer) => answer.split(' ')[1]);
    expect(new Set(statuses)).toEqual(new Set(['200']));
  });
});
