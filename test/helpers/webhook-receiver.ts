import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** The example of the Standard Webhooks specification, used for nothing else. */
export const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export interface ReceivedEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>> & { readonly user_id: string; readonly version: number };
}

export interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: ReceivedEvent;
}

/** How a receiver answers: the status, or what it does with the response instead. */
export type Behaviour = number | ((request: IncomingMessage, response: ServerResponse) => void);

/** A receiver of webhooks in the test process. It records what it got and refuses what is not signed. */
export class WebhookReceiver {
  readonly received: Delivery[] = [];
  readonly forged: Delivery[] = [];
  behaviour: Behaviour = 204;
  private readonly server = createServer((request, response) => void this.receive(request, response));

  static async start(port = 0): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    await once(receiver.server.listen(port, '127.0.0.1'), 'listening');
    return receiver;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get env(): Record<string, string> {
    return { WEBHOOK_URL: `http://127.0.0.1:${this.port}/hooks`, WEBHOOK_SECRET };
  }

  of(userId: string): Delivery[] {
    return this.received.filter(({ event }) => event.data.user_id === userId);
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    if (this.server.listening) await once(this.server, 'close');
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const delivery = { headers: request.headers, body, event: JSON.parse(body) as ReceivedEvent };
    (isSigned(delivery) ? this.received : this.forged).push(delivery);
    if (typeof this.behaviour === 'function') return this.behaviour(request, response);
    response.writeHead(this.behaviour).end();
  }
}

/** As the Standard Webhooks specification says, written without the service's code. */
function isSigned({ headers, body }: Pick<Delivery, 'headers' | 'body'>): boolean {
  const [id, seconds, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(headers[name]),
  ) as [string, string, string];
  if (Math.abs(Date.now() / 1000 - Number(seconds)) > 300) return false;
  const key = Buffer.from(WEBHOOK_SECRET.replace('whsec_', ''), 'base64');
  const right = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest();
  return signatures.split(' ').some((one) => {
    const [version, mac = ''] = one.split(',');
    const given = Buffer.from(mac, 'base64');
    return version === 'v1' && given.length === right.length && timingSafeEqual(given, right);
  });
}
