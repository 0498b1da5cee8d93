import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { changesState, forwardedChangesState } from '../../../src/transition/sessions/http/session.guard.js';

const asking = (headers: Record<string, string | string[]>) => ({ headers }) as unknown as FastifyRequest;

describe('the method of a call by session', () => {
  it('is the method of the request', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect(changesState({ method } as FastifyRequest)).toBe(false);
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      expect(changesState({ method } as FastifyRequest)).toBe(true);
    }
  });
});

describe.each(['x-forwarded-method', 'x-original-method'])('the method that a proxy names in %s', (name) => {
  it.each(['GET', 'HEAD', 'OPTIONS', ' HEAD ', 'GET, GET'])('is safe: %s', (method) => {
    expect(forwardedChangesState(asking({ [name]: method }))).toBe(false);
    expect(forwardedChangesState(asking({ [name]: method.split(',') }))).toBe(false);
  });

  it.each([
    'POST',
    'DELETE',
    '',
    ',',
    'GET,',
    'GET, POST',
    'POST, GET',
    'GET, HEAD',
    'get',
    'Get',
    'TRACE',
    'PROPFIND',
    'nonsense',
    'GET POST',
    'GET;POST',
  ])('counts as one that changes state: "%s"', (method) => {
    expect(forwardedChangesState(asking({ [name]: method }))).toBe(true);
    expect(forwardedChangesState(asking({ [name]: method.split(',') }))).toBe(true);
  });

  it.each(['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'Upgrade', 'Sec-WebSocket-Key'])(
    'counts as one that changes state if the header %s is present',
    (header) => {
      for (const value of ['GET', 'DELETE', 'websocket', '']) {
        const request = asking({ [name]: 'GET', [header.toLowerCase()]: value });
        expect(forwardedChangesState(request)).toBe(true);
        expect(forwardedChangesState(request, 'GET')).toBe(true);
      }
    },
  );
});

describe('a request that a proxy asks about', () => {
  it('counts as one that changes state if no header names its method', () => {
    expect(forwardedChangesState(asking({}))).toBe(true);
    expect(forwardedChangesState(asking({ 'x-forwarded-method': [] }))).toBe(true);
  });

  it('counts as one that changes state if two headers name different methods', () => {
    for (const [one, other] of [
      ['GET', 'POST'],
      ['POST', 'GET'],
      ['GET', 'HEAD'],
      ['GET', ''],
    ] as const) {
      const headers = { 'x-forwarded-method': one, 'x-original-method': other };
      expect([one, other, forwardedChangesState(asking(headers))]).toEqual([one, other, true]);
    }
    expect(forwardedChangesState(asking({ 'x-forwarded-method': 'GET', 'x-original-method': 'GET' }))).toBe(
      false,
    );
  });

  it('is judged by its own method if the proxy kept it, and by the headers too', () => {
    expect(forwardedChangesState(asking({}), 'GET')).toBe(false);
    expect(forwardedChangesState(asking({}), 'OPTIONS')).toBe(false);
    expect(forwardedChangesState(asking({}), 'POST')).toBe(true);
    expect(forwardedChangesState(asking({ 'x-forwarded-method': 'GET' }), 'POST')).toBe(true);
    expect(forwardedChangesState(asking({ 'x-forwarded-method': 'POST' }), 'GET')).toBe(true);
  });
});
