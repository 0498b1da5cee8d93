import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import type { Seen } from './client-app.js';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** A place where an app runs. */
export interface AppPlace {
  readonly seen: () => Promise<Seen>;
  readonly signIn: (credentials: Credentials) => Promise<void>;
  readonly freeze: () => Promise<void>;
  readonly thaw: () => Promise<void>;
  /** Without a chance to end anything. */
  readonly kill: () => Promise<void>;
}

/** A tab of a browser. The site has the app as `/app.js`. */
export class AppTab implements AppPlace {
  private constructor(
    readonly page: Page,
    private readonly devtools: CDPSession,
  ) {}

  static async open(context: BrowserContext, url: string, offset: number): Promise<AppTab> {
    const page = await context.newPage();
    await page.goto(url);
    await page.evaluate(
      `import('/app.js').then(({ startApp }) => void (globalThis.app = startApp({ baseUrl: '/' }, ${offset})))`,
    );
    return new AppTab(page, await context.newCDPSession(page));
  }

  seen(): Promise<Seen> {
    return this.page.evaluate<Seen>('app.seen');
  }

  async signIn(credentials: Credentials): Promise<void> {
    await this.page.evaluate(`app.client.login(${JSON.stringify(credentials)})`);
  }

  /** Stops in the middle of a script: no timer and no answer gets through. A headless browser ignores `Page.setWebLifecycleState`. */
  async freeze(): Promise<void> {
    const paused = new Promise((resolve) => this.devtools.once('Debugger.paused', resolve));
    await this.devtools.send('Debugger.enable');
    await this.devtools.send('Debugger.pause');
    await paused;
  }

  async thaw(): Promise<void> {
    await this.devtools.send('Debugger.resume');
    await this.devtools.send('Debugger.disable');
  }

  async kill(): Promise<void> {
    await this.page.close({ runBeforeUnload: false });
  }
}

/** A process of Node with a login of its own in a file. */
export class AppProgram implements AppPlace {
  private child: ChildProcess;

  private constructor(
    private readonly script: string,
    private readonly args: readonly string[],
  ) {
    this.child = this.run();
  }

  /** Starts the program again after {@link kill}, with the login in its file. */
  restart(): void {
    this.child = this.run();
  }

  /** `script`: the bundle of `client-program.ts`. */
  static start(script: string, url: string, file: string, offset: number): AppProgram {
    return new AppProgram(script, [url, file, String(offset)]);
  }

  private run(): ChildProcess {
    return fork(this.script, this.args, { execArgv: [], env: { PATH: process.env['PATH'] } });
  }

  async seen(): Promise<Seen> {
    return (await this.ask('seen')) as Seen;
  }

  async signIn(credentials: Credentials): Promise<void> {
    const answer = await this.ask(credentials);
    if (answer !== 'signed in') throw new Error(`${this.args.join(' ')}: ${String(answer)}`);
  }

  async freeze(): Promise<void> {
    this.child.kill('SIGSTOP');
  }

  async thaw(): Promise<void> {
    this.child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  private async ask(message: Credentials | 'seen'): Promise<unknown> {
    const answer = once(this.child, 'message');
    this.child.send(message);
    return ((await answer) as [unknown])[0];
  }
}
