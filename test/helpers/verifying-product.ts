import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { VerifierOptions } from '@tandem-auth/verifier';

/** What a product answered, and when it was asked, on the monotonic clock. */
export interface ProductAnswer {
  readonly status: number;
  readonly code: string;
  readonly askedAt: number;
}

/** A product in a real process that verifies tokens by itself, with the built package. */
export class VerifyingProduct {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  /** Resolves when the product knows keys and revocations. */
  static async start(options: VerifierOptions): Promise<VerifyingProduct> {
    const script = join(import.meta.dirname, 'verifying-product.mjs');
    const child = spawn(process.execPath, [script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const url of createInterface(child.stdout)) return new VerifyingProduct(child, url);
    throw new Error('the product did not start');
  }

  async ask(token: string): Promise<ProductAnswer> {
    const askedAt = performance.now();
    const answer = await fetch(this.url, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, code: await answer.text(), askedAt };
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async end(): Promise<void> {
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await exited;
  }
}
