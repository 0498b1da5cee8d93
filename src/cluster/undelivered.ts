import type { Worker } from 'node:cluster';

/** What a listening process keeps of a connection until a worker has said that it has it. */
interface Dealt {
  close(): void;
}

/**
 * Closes, when the worker dies, the connection that was on its way to it, so that its client learns of that at once. `node:cluster`
 * deals each worker one connection at a time and keeps its own end open until the worker has said that it has it: of one that is
 * killed meanwhile nothing is ever heard, and the client would wait for ever (Node 24). Closing one that has been delivered does nothing.
 */
export function closeUndelivered({ process: worker }: Worker): void {
  const send = worker.send.bind(worker) as (...message: unknown[]) => boolean;
  let last: Dealt | undefined;
  worker.send = (...message: unknown[]) => {
    const [, dealt] = message;
    if (isDealt(dealt)) last = dealt;
    return send(...message);
  };
  // Between the two, in either order, Node may still deal it one more.
  for (const end of ['exit', 'disconnect']) worker.once(end, () => last?.close());
}

function isDealt(handle: unknown): handle is Dealt {
  return typeof handle === 'object' && handle !== null && 'close' in handle;
}
