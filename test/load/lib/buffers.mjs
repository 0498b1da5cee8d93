// How many buffers PostgreSQL reads for a call: from the plans that auto_explain logs. Only for the embedded server, whose log it reads.
import { appendFileSync, closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

const SETTINGS = `
session_preload_libraries = 'auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_buffers = on
auto_explain.log_timing = off
auto_explain.log_format = 'json'
log_line_prefix = ''
`;

/** Milliseconds in which the plans of a call reach the log. */
const WRITTEN_WITHIN = 150;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** From now on new connections log their plans. */
export async function logPlans({ folder }) {
  const data = join(folder, 'data', 'postgres');
  appendFileSync(join(data, 'postgresql.conf'), SETTINGS);
  process.kill(Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGHUP');
  await sleep(500);
}

/** Reads the log of the embedded server from where it ends now. */
export class PlanLog {
  constructor({ folder }) {
    this.file = openSync(join(folder, 'data', 'postgres.log'), 'r');
    this.offset = fstatSync(this.file).size;
    this.background = new Set();
  }

  /** The statements that a node runs by itself are not part of any call. */
  async learnBackground(milliseconds) {
    this.read();
    await sleep(milliseconds);
    for (const { text } of this.read()) this.background.add(text);
  }

  /** What the call returns, and the buffers that its statements read. */
  async during(call) {
    this.read();
    const result = await call();
    await sleep(WRITTEN_WITHIN);
    const plans = this.read().filter(({ text }) => !this.background.has(text));
    return { result, buffers: plans.reduce((sum, plan) => sum + plan.buffers, 0) };
  }

  close() {
    closeSync(this.file);
  }

  read() {
    const { size } = fstatSync(this.file);
    const bytes = Buffer.alloc(size - this.offset);
    readSync(this.file, bytes, 0, bytes.length, this.offset);
    this.offset = size;
    const entries = bytes.toString().split(/^LOG: {2}duration: [\d.]+ ms {2}plan:$/m);
    return entries.slice(1).map(planIn);
  }
}

/** Indented lines belong to the entry. */
function planIn(entry) {
  const lines = entry.split('\n').filter((line) => line.startsWith('\t'));
  const { 'Query Text': text, Plan: plan } = JSON.parse(lines.join('\n'));
  return { text, buffers: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'] };
}
