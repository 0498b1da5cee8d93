import { expect, it, vi } from 'vitest';
import { errorIn } from '../../../packages/console/src/api/api-error.js';
import { lastProgress } from '../../../packages/console/src/logins/progress.js';

const lines = (...parts: string[]) => {
  const body = new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  return new Response(body, { headers: { 'Content-Type': 'application/x-ndjson; charset=utf-8' } });
};

it('reads the progress of a long revocation, however its lines are cut', async () => {
  const seen = vi.fn();
  const answer = lines('{"revoked": 2', '50}\n{"revoked"', ': 500}\n\n{"revoked":612,"done":true}\n');
  expect(await lastProgress(answer, seen)).toBe(612);
  expect(seen.mock.calls.flat()).toEqual([250, 500, 612]);
});

it('fails if the answer ends early, or ends with a problem', async () => {
  await expect(lastProgress(lines('{"revoked":250}\n'), () => {})).rejects.toMatchObject({ status: 0 });
  const problem = { status: 503, code: 'service_unavailable', detail: 'Try later.', request_id: 'r-1' };
  await expect(lastProgress(lines(`${JSON.stringify({ problem })}\n`), () => {})).rejects.toMatchObject({
    status: 503,
    requestId: 'r-1',
  });
});

it('takes the final number of a service that sends no progress', async () => {
  expect(await lastProgress(Response.json({ revoked: 7 }), () => {})).toBe(7);
});

it('reads the refusal of a proxy that is not a problem document', () => {
  const headers = { 'X-Auth-Error': 'token_expired', 'X-Request-Id': 'r-2', 'Retry-After': '7' };
  const error = errorIn(
    new Response('<h1>Bad gateway</h1>', { status: 502, headers }),
    '<h1>Bad gateway</h1>',
  );
  expect(error).toMatchObject({
    status: 502,
    code: 'token_expired',
    requestId: 'r-2',
    retryAfter: 7,
    isTemporary: true,
  });
  expect(error.message).not.toContain('<h1>');
});
