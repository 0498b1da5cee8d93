import { ApiError, unanswered } from '../api/api-error.js';

interface Line {
  readonly revoked?: number;
  readonly done?: boolean;
  readonly problem?: {
    readonly status: number;
    readonly code: string;
    readonly detail: string;
    readonly request_id: string;
  };
}

/**
 * Reads the lines of a long answer as they arrive and returns the final number. Throws {@link ApiError} if the last line is a problem, or if the
 * answer ends early.
 */
export async function lastProgress(
  response: Response,
  onProgress: (revoked: number) => void,
): Promise<number> {
  // A service without progress answers in one piece.
  if (!response.headers.get('Content-Type')?.includes('ndjson'))
    return ((await response.json()) as Line).revoked ?? 0;
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    if (done) throw unanswered();
    const lines = (rest + value).split('\n');
    rest = lines.pop()!;
    for (const line of lines.filter(Boolean)) {
      const { revoked = 0, done: finished, problem } = JSON.parse(line) as Line;
      if (problem !== undefined)
        throw new ApiError(problem.status, problem.code, problem.detail, problem.request_id);
      onProgress(revoked);
      if (finished) return revoked;
    }
  }
}
