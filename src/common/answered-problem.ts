import type { FastifyRequest } from 'fastify';
import type { Problem } from './problem.js';

const answered = new WeakMap<FastifyRequest, Problem>();

/** The request is being answered with this problem. */
export function noteProblem(request: FastifyRequest, problem: Problem): void {
  answered.set(request, problem);
}

/** What a request was answered with, for whoever counts answers; undefined if it was no problem. */
export function answeredProblem(request: FastifyRequest): Problem | undefined {
  return answered.get(request);
}
