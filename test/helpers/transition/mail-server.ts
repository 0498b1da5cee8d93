import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A message that the server has accepted. */
export interface Received {
  readonly from: string;
  readonly to: string;
  readonly raw: string;
}

/** What the server does with whom. */
export interface MailServerRules {
  /** Milliseconds between the end of a message and the answer to it. */
  readonly slow?: number;
  /** Refuses these recipients for good (550), by the beginning of their address. */
  readonly refuses?: string;
  /** Refuses these once for now (451), at RCPT. */
  readonly defersOnce?: string;
  /** Refuses these once for now (451), after the whole message. */
  readonly defersMessageOnce?: string;
  /** Takes these whole, and ends the connection instead of an answer. */
  readonly hangsUpOn?: string;
  /** Offers to log in, and takes any password. */
  readonly login?: boolean;
  /** Does not offer addresses beyond ASCII. */
  readonly ascii?: boolean;
  /** Ends the connection of these when a part of the message has arrived. */
  readonly cutsOff?: string;
}

/** A real SMTP server in a process of its own. */
export class MailServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(rules: MailServerRules = {}, port = 0): Promise<MailServer> {
    const child = fork(
      join(import.meta.dirname, 'mail-server.process.mjs'),
      [JSON.stringify({ ...rules, port })],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        execArgv: [],
      },
    );
    const [message] = (await once(child, 'message')) as [{ port: number }];
    return new MailServer(child, message.port);
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** What it has accepted so far. */
  async received(): Promise<Received[]> {
    return (await this.ask('received')) as Received[];
  }

  /** How many it has accepted so far. */
  async count(): Promise<number> {
    return (await this.ask('count')) as number;
  }

  /** What clients said that is not part of a message, without EHLO, DATA and QUIT. */
  async commands(): Promise<string[]> {
    return (await this.ask('commands')) as string[];
  }

  private async ask(question: string): Promise<unknown> {
    const answer = once(this.child, 'message');
    this.child.send(question);
    return ((await answer) as [unknown])[0];
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}
