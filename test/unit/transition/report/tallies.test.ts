import { describe, expect, it } from 'vitest';
import { RequestTally } from '../../../../src/transition/report/request-tally.js';
import { UseTally } from '../../../../src/transition/report/use-tally.js';

/** The beginning of an hour, in milliseconds. */
const START = 1_796_000_400_000;

describe('the tally of requests', () => {
  it('sums by second, scheme, bin and code, and starts at zero after each batch', () => {
    const tally = new RequestTally();
    tally.count('bearer', START, 5, undefined);
    tally.count('bearer', START + 999, 5, 'token_expired');
    tally.count('session', START + 1_000, 5, undefined);
    const at = START / 1000;
    const [bearer, error, session] = tally.take();
    expect(bearer).toMatchObject({ at, scheme: 'bearer', kind: 'latency', n: 2 });
    expect(error).toEqual({ at, scheme: 'bearer', kind: 'error', key: 'token_expired', n: 1 });
    expect(session).toMatchObject({ at: at + 1, scheme: 'session', kind: 'latency', n: 1 });
    expect(tally.empty).toBe(true);
    expect(tally.take()).toEqual([]);
  });

  it('adds up the refused sessions of a second by cause', () => {
    const tally = new RequestTally();
    tally.countRefused(START, 'other_secret', 3);
    tally.countRefused(START + 999, 'other_secret', 2);
    tally.countRefused(START, 'no_user', 1);
    const row = { at: START / 1000, scheme: 'session', kind: 'refused' };
    expect(tally.take()).toEqual([
      { ...row, key: 'other_secret', n: 5 },
      { ...row, key: 'no_user', n: 1 },
    ]);
    expect(tally.empty).toBe(true);
  });

  it('loses no request while it cannot be written for hours, and stays bounded', () => {
    const tally = new RequestTally();
    for (let second = 0; second < 10_000; second++) tally.count('bearer', START + second * 1000, 1, 'x');
    const rows = tally.take();
    expect(rows.length).toBeLessThanOrEqual(600);
    for (const kind of ['latency', 'error'] as const) {
      const sum = rows.filter((row) => row.kind === kind).reduce((all, { n }) => all + n, 0);
      expect(sum).toBe(10_000);
    }
  });

  it('counts codes beyond the bound as other', () => {
    const tally = new RequestTally();
    for (let code = 0; code < 1_000; code++) tally.count('bearer', START, 1, `code_${code}`);
    const errors = tally.take().filter(({ kind }) => kind === 'error');
    expect(errors).toHaveLength(65);
    expect(errors.find(({ key }) => key === 'other')?.n).toBe(936);
  });
});

describe('the tally of uses', () => {
  const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

  it('counts sessions by user agent, and only users for tokens', () => {
    const tally = new UseTally();
    tally.note('session', uuid(1), 'A', START);
    tally.note('session', uuid(1), 'A', START + 10);
    tally.note('session', uuid(1), 'B', START + 20);
    tally.note('bearer', uuid(1), 'A', START + 30);
    tally.note('bearer', uuid(1), 'B', START + 40);
    const row = { at: START / 1000, userId: uuid(1) };
    expect(tally.take()).toEqual([
      {
        ...row,
        scheme: 'session',
        userAgent: 'A',
        requests: 2,
        first: START,
        last: START + 10,
        unlinked: START + 10,
      },
      {
        ...row,
        scheme: 'session',
        userAgent: 'B',
        requests: 1,
        first: START + 20,
        last: START + 20,
        unlinked: START + 20,
      },
      {
        ...row,
        scheme: 'bearer',
        userAgent: '',
        requests: 0,
        first: START + 30,
        last: START + 40,
        unlinked: null,
      },
    ]);
    expect(tally.empty).toBe(true);
    tally.note('session', uuid(1), 'A', START + 50);
    expect(tally.take()).toEqual([
      {
        ...row,
        scheme: 'session',
        userAgent: 'A',
        requests: 1,
        first: START + 50,
        last: START + 50,
        unlinked: START + 50,
      },
    ]);
  });

  it('separates uses of a session before and after its exchange for tokens', () => {
    const tally = new UseTally();
    tally.note('session', uuid(1), 'A', START);
    tally.note('session', uuid(1), 'A', START + 10, true);
    expect(tally.take()).toMatchObject([{ requests: 2, last: START + 10, unlinked: START }]);
    tally.note('session', uuid(1), 'A', START + 20, true);
    expect(tally.take()).toMatchObject([{ requests: 1, last: START + 20, unlinked: null }]);
  });

  it('writes new users at once, and known users when a batch has room', () => {
    const tally = new UseTally();
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 3_000; n++) tally.note('bearer', uuid(n), '', START + round);
      if (round === 0) expect(tally.take()).toHaveLength(3_000);
    }
    expect([tally.take(), tally.take(), tally.take(), tally.take()].map(({ length }) => length)).toEqual([
      1_000, 1_000, 1_000, 0,
    ]);
  });

  it('frees memory when an hour has passed and is written', () => {
    const tally = new UseTally();
    for (let hour = 0; hour < 3; hour++) {
      for (let n = 0; n < 60_000; n++) tally.note('bearer', uuid(n), '', START + hour * 3_600_000);
      let written = 0;
      while (!tally.empty) written += tally.take().length;
      expect(written).toBe(60_000);
    }
  });

  it('holds no more users than its bound while nothing can be written', () => {
    const tally = new UseTally();
    for (let n = 0; n < 150_000; n++) tally.note('bearer', uuid(n), '', START + n);
    let written = 0;
    while (!tally.empty) written += tally.take().length;
    expect(written).toBe(100_000);
  });

  it('counts the ninth user agent of a user on one day as other', () => {
    const tally = new UseTally();
    for (let n = 0; n < 100; n++) tally.note('session', uuid(1), `agent ${n}`, START);
    const rows = tally.take();
    expect(rows).toHaveLength(9);
    expect(rows.find(({ userAgent }) => userAgent === 'other')?.requests).toBe(92);
    tally.note('session', uuid(1), 'agent 99', START + 86_400_000);
    expect(tally.take()[0]?.userAgent).toBe('agent 99');
  });
});
