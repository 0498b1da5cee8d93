import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { until } from '../../client.js';
import { INHERITED } from '../../inherited-environment.js';
import { PROXY_ADDRESS } from './nginx.js';

const PRODUCT = join(import.meta.dirname, '..', '..', '..', '..', 'examples', 'legacy-product');

export const SESSION_SECRET = 'the secret of a shop';

/** Milliseconds. */
const READY_WITHIN = 60_000;

export interface ShopSettings {
  readonly databaseUrl: string;
  /** `session`: as before Tandem. */
  readonly auth: 'session' | 'proxy';
  /** Where Tandem is told about changed users, and with which id and secret. */
  readonly tandem?: { readonly url: string; readonly client: string };
}

/** A program of the example product, as a process of its own, on a port that it chooses. */
export class ShopProcess {
  private output = '';

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  static async start(script: 'shop.js' | 'reports.js', settings: ShopSettings): Promise<ShopProcess> {
    const started = new ShopProcess(run(script, settings));
    try {
      await until(() => started.answers(), READY_WITHIN);
    } catch (error) {
      await started.stop();
      throw new Error(`${script} did not start:\n${started.output}`, { cause: error });
    }
    return started;
  }

  /** Runs the product's own migrations. */
  static async migrate(settings: ShopSettings): Promise<void> {
    const migration = new ShopProcess(run('migrate.js', settings));
    const [code] = (await once(migration.child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`migrate.js ended with ${code}:\n${migration.output}`);
  }

  get port(): number {
    return Number(/ at http:\/\/localhost:(\d+)/.exec(this.output)?.[1]);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'close');
  }

  private async answers(): Promise<boolean> {
    if (this.child.exitCode !== null) throw new Error('it has ended');
    if (Number.isNaN(this.port)) return false;
    return fetch(`${this.url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}

function run(script: string, { databaseUrl, auth, tandem }: ShopSettings): ChildProcess {
  return spawn(process.execPath, [join(PRODUCT, script)], {
    cwd: PRODUCT,
    env: {
      ...INHERITED,
      DATABASE_URL: databaseUrl,
      SESSION_SECRET,
      SHOP_PORT: '0',
      REPORTS_PORT: '0',
      // As cheap as possible: these passwords protect nothing.
      BCRYPT_COST: '4',
      AUTH: auth,
      PROXY_ADDRESS,
      ...(tandem === undefined ? {} : { TANDEM_URL: tandem.url, TANDEM_CLIENT: tandem.client }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
