import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { ServiceStateStore } from '../../../database/service-state.store.js';
import { ISSUER } from '../../../tokens/access/issuer.js';
import { KeyAdministrationService } from '../../../tokens/keys/key-administration.service.js';
import { AdminCommand } from '../admin-command.js';
import type { Run, CommandContext } from '../admin-command.js';
import type { ServiceHost } from '../service-host.js';
import type { Terminal } from '../terminal.js';
import { conflictChecks } from './conflict.checks.js';
import { databaseChecks } from './database.checks.js';
import { checksIn, questionOf, runCheck, fail, messageOf, warn } from './doctor-check.js';
import type { Finding } from './doctor-check.js';
import { isUp, jwksChecks, proxyChecks } from './network.checks.js';
import { settingsChecks } from './settings.checks.js';

const HELP = `
The exit code is 1 if a check fails, and 0 if there are only warnings. To check the proxy, the doctor sends a forged
X-Forwarded-For to --url, or to the node at HOST and PORT, or to a node that it starts itself:
  npm run admin -- doctor --url https://api.example.com
  npm run -s admin -- doctor --json | jq -e '.ok'
Before the first start in a database that a product uses:
  npm run admin -- doctor --before-start`;

/** Finds problems of a deployment. Also works if the service cannot start, and reports why. */
@AdminCommand()
export class DoctorCommand {
  static describe(program: Command, _run: Run<DoctorCommand>, { host, features, run }: CommandContext): void {
    const doctor = program
      .command('doctor')
      .description('find problems of this deployment and how to fix them')
      .option('--url <url>', 'the public URL of the service', baseUrl)
      .option('--before-start', 'only name what the first start would collide with in the database')
      .addHelpText('after', HELP);
    for (const { option, description } of questionsIn(features))
      doctor.addOption(new Option(`--${option}`, description).conflicts('beforeStart'));
    doctor.action(
      run(async (_nothing, terminal, options: DoctorOptions) => {
        if (options.beforeStart === true) return examine(terminal, host, undefined, options, new Map());
        return examine(terminal, host, features, options, await answersTo(features, options, terminal));
      }),
    );
  }
}

/** The options of the command, with an entry for each question that the operator wants to answer. */
interface DoctorOptions {
  readonly url?: string;
  readonly beforeStart?: boolean;
  readonly [option: string]: unknown;
}

/** The answers of the operator, by the name of the option. */
type Answers = ReadonlyMap<string, string>;

function questionsIn(features: readonly unknown[]) {
  return checksIn(features).flatMap((check) => questionOf(check) ?? []);
}

async function answersTo(
  features: readonly unknown[],
  options: DoctorOptions,
  terminal: Terminal,
): Promise<Answers> {
  const answers = new Map<string, string>();
  for (const { option, what } of questionsIn(features))
    if (options[option] === true) answers.set(option, await terminal.hiddenLine(what));
  return answers;
}

/**
 * Runs the checks and prints their findings. Without `features`, runs only the checks of the first start. Throws ConfigurationError if the
 * settings are invalid.
 */
async function examine(
  terminal: Terminal,
  host: ServiceHost,
  features: readonly unknown[] | undefined,
  { url }: DoctorOptions,
  answers: Answers,
): Promise<number> {
  const { config } = host;
  const findings: Finding[] = [];
  const report = async (found: Promise<Finding[]>) => {
    for (const finding of await found) {
      findings.push(finding);
      if (!terminal.json) await terminal.write(`${lineOf(finding)}\n`);
    }
  };
  await report(settingsChecks(config));
  const conflicts = await conflictChecks(host);
  if (features === undefined || conflicts.some(({ level }) => level === 'fail')) {
    await report(Promise.resolve(conflicts));
    return finish(terminal, findings);
  }
  await report(
    runCheck('database', 'read DATA_DIR/postgres.log', async () =>
      databaseChecks(await host.databaseUrl(), config),
    ),
  );
  if (findings.some(({ check, level }) => check === 'database' && level === 'fail')) {
    await report(Promise.resolve([skipped('the database is not usable')]));
  } else if (findings.some(({ check, level }) => check === 'migrations' && level !== 'ok')) {
    await report(Promise.resolve([skipped('migrations are pending, and the doctor does not apply them')]));
  } else await service(host, features, url, answers, report);
  return finish(terminal, findings);
}

async function finish(terminal: Terminal, findings: readonly Finding[]): Promise<number> {
  const ok = findings.every(({ level }) => level !== 'fail');
  if (terminal.json) await terminal.result({ ok, checks: findings }, () => []);
  return ok ? 0 : 1;
}

async function service(
  host: ServiceHost,
  features: readonly unknown[],
  url: string | undefined,
  answers: Answers,
  report: (found: Promise<Finding[]>) => Promise<void>,
): Promise<void> {
  const { config } = host;
  let target: string;
  try {
    target = url ?? (await runningNode(config)) ?? (await host.listen());
    await host.get(CONFIG);
  } catch (error) {
    return report(Promise.resolve([fail('start', messageOf(error), 'a node would not start either')]));
  }
  for (const type of checksIn(features)) {
    const answer = answers.get(questionOf(type)?.option ?? '');
    const check = async () => (await host.get(type)).examine(answer);
    await report(runCheck(type.name, 'read the log of a node', check));
  }
  const issuer = await host.get<string>(ISSUER);
  const current = (await (await host.get(KeyAdministrationService)).list()).find(
    ({ state }) => state === 'current',
  );
  await report(jwksChecks(issuer, current?.kid ?? '', config));
  const state = await host.get(ServiceStateStore);
  await report(proxyChecks(target, config, () => state.untrustedProxy()));
}

/** The URL of the node at HOST and PORT, if one answers. */
async function runningNode({ host, port }: Config): Promise<string | undefined> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return port !== 0 && (await isUp(url)) ? url : undefined;
}

function skipped(why: string): Finding {
  return warn(
    'service',
    `keys, audit, mail, JWKS and proxy were not checked: ${why}`,
    'fix this, then run the doctor again',
  );
}

function lineOf({ check, level, message, advice }: Finding): string {
  const todo = advice === undefined ? '' : `\n                      -> ${advice}`;
  return `${level.padEnd(4)}  ${check.padEnd(14)}  ${message}${todo}`;
}

function baseUrl(text: string): string {
  if (!/^https?:\/\/[^\s@]+$/.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('It must be an http or https URL.');
  return text;
}
