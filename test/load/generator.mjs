// A process of the load generator: users with a plain socket each. Started by `lib/generators.mjs`, which says what they do.
//
// A user calls, waits, calls again. An answer counts from the moment its call was due, not from when it could be sent: a server that
// is late has to answer for those that it kept waiting, too.
import { connect } from 'node:net';
import { get, getWithCookie, post } from './lib/closed-loop.mjs';

/** Milliseconds before a token's end at which its user refreshes, at the earliest. */
const MARGIN = 5_000;

let plan;
let window;
let running = true;
const users = [];

const newWindow = () => ({ latencies: [], statuses: {}, failures: {}, connected: window?.connected ?? 0 });

class User {
  constructor({ port, localAddress, localPort, token, refreshToken, cookie, expires }, start) {
    this.target = { port, host: '127.0.0.1', localAddress, localPort };
    Object.assign(this, { token, refreshToken, cookie, expires });
    this.due = start;
    setTimeout(() => this.open(), Math.max(0, start - performance.now()));
  }

  open() {
    this.pending = '';
    this.socket = connect(this.target);
    this.socket.setNoDelay(true).setEncoding('latin1');
    this.socket.once('connect', () => {
      window.connected += 1;
      this.call();
    });
    this.socket.on('data', (chunk) => this.receive(chunk));
    this.socket.on('error', (error) => this.fail(error.code ?? 'error'));
    this.socket.on('close', () => this.asked !== undefined && this.fail('closed'));
  }

  call() {
    if (!running) return;
    this.asked = this.due;
    this.kind = this.next();
    if (this.kind === 'refresh')
      this.socket.write(post('/auth/refresh', { refresh_token: this.refreshToken }));
    else if (this.kind === 'logout')
      this.socket.write(post('/auth/logout', { refresh_token: this.refreshToken }));
    else if (this.cookie !== undefined)
      this.socket.write(getWithCookie(plan.path, `session_id=${this.cookie}`));
    else this.socket.write(get(plan.path, this.token));
  }

  next() {
    if (this.refreshToken === undefined) return 'call';
    if (Date.now() > this.expires - MARGIN - Math.random() * MARGIN) return 'refresh';
    return Math.random() < plan.logouts ? 'logout' : 'call';
  }

  receive(chunk) {
    this.pending += chunk;
    const end = this.pending.indexOf('\r\n\r\n');
    if (end === -1) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.pending.slice(0, end));
    if (this.pending.length < end + 4 + Number(length?.[1] ?? 0)) return;
    const status = this.pending.slice(9, 12);
    const answer = this.pending;
    this.pending = '';
    window.latencies.push(performance.now() - this.asked);
    window.statuses[status] = (window.statuses[status] ?? 0) + 1;
    this.asked = undefined;
    if (this.kind === 'refresh' && status === '200') this.renew(answer);
    if (this.kind === 'logout') return this.socket.end();
    this.due += plan.think[0] + Math.random() * (plan.think[1] - plan.think[0]);
    setTimeout(() => this.call(), Math.max(0, this.due - performance.now()));
  }

  renew(answer) {
    this.token = /"access_token":"([^"]+)"/.exec(answer)[1];
    this.refreshToken = /"refresh_token":"([^"]+)"/.exec(answer)[1];
    this.expires = Date.now() + Number(/"expires_in":(\d+)/.exec(answer)[1]) * 1000;
  }

  fail(why) {
    if (!running) return;
    this.asked = undefined;
    window.failures[why] = (window.failures[why] ?? 0) + 1;
  }
}

process.on('message', (message) => {
  if (message.kind === 'start') {
    plan = message.plan;
    window = newWindow();
    const now = performance.now();
    message.users.forEach((user, index) =>
      users.push(new User(user, now + (plan.ramp * index) / message.users.length)),
    );
    process.send({ kind: 'started' });
  }
  if (message.kind === 'window') {
    const done = window;
    window = newWindow();
    process.send({ kind: 'window', ...done });
  }
  if (message.kind === 'stop') {
    running = false;
    for (const { socket } of users) socket?.destroy();
    process.exit();
  }
});
