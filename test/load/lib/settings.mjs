// What a run may cost. Everything is bounded; the defaults together stay below a quarter of an hour.
const number = (name, fallback) => Number(process.env[name] ?? fallback);

export const ROUNDS = number('BENCH_ROUNDS', 5);
export const SECONDS = number('BENCH_SECONDS', 2);
export const CONNECTIONS = number('BENCH_CONNECTIONS', 32);
/** Distinct tokens and users where the number matters. */
export const USERS = number('BENCH_USERS', 10_000);
/** Tokens never seen before, in each round. */
export const FIRST_SIGHTS = number('BENCH_FIRST_SIGHTS', 6_000);
/** The largest number of stored logins, and of live revocations, in the measure of growth. */
export const MAX_LOGINS = number('BENCH_MAX_LOGINS', 1_000_000);
export const MAX_REVOCATIONS = number('BENCH_MAX_REVOCATIONS', 100_000);
/** Revocations in the first snapshot of a stream. */
export const STREAMED = number('BENCH_STREAMED', 60_000);
/** Which measures: names of files in `measures/`, separated by commas. */
export const ONLY = process.env.BENCH_ONLY?.split(',');
/** Where the report goes; unset: only the table is printed. */
export const OUT = process.env.BENCH_OUT;

export const PORT = number('BENCH_PORT', 5987);
export const PEER_PORT = PORT + 1;
export const SECRET = 'YmVuY2gtc2VjcmV0LW5vdC1mb3ItdXNlLTQ3MTEwODE1';
export const PASSWORD = 'a long enough pass phrase';
