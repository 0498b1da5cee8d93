import { Logger, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NO_ORIGIN } from '../../audit/audit-context.js';
import { AuditModule } from '../../audit/audit.module.js';
import { exitOnClosedOutput } from '../../common/process-output.js';
import { CommonModule } from '../../common/common.module.js';
import { Problem } from '../../common/problem.js';
import type { Config } from '../../config/config.js';
import { ConfigModule } from '../../config/config.module.js';
import { loadDotenv } from '../../config/dotenv.js';
import { loadCommandConfig } from '../../config/load-config.js';
import { DatabaseModule } from '../../database/database.module.js';
import { ensureEmbeddedPostgres } from '../../database/embedded/embedded-postgres.js';
import { KeyAdministrationService } from './key-administration.service.js';
import type { KeyView } from './key-administration.service.js';
import { KeyOpenerService } from './key-opener.service.js';
import { KeyRingService } from './key-ring.service.js';
import { KeyTrustService } from './key-trust.service.js';
import { ChangeFeed } from '../feed/change-feed.js';
import { DatabaseClock } from '../feed/database-clock.js';
import { RevocationList } from '../feed/revocation-list.js';
import { RevocationStore } from '../feed/revocation.store.js';
import { SigningKeyStore } from './signing-key.store.js';

const USAGE = `Usage: npm run keys -- <command> [--json]

  list             the signing keys and their state
  rotate           publish a next key; it signs once clients know it
  distrust <kid>   refuse everything that key has signed, at once

Works beside running nodes, which follow within a second.
`;

/** No more than the ring needs: no logins, no requests, and no background work. */
@Module({})
class KeysModule {
  static forRoot(config: Config, url: string): DynamicModule {
    return {
      module: KeysModule,
      imports: [
        ConfigModule.forRoot(config),
        CommonModule.withoutBackground(),
        DatabaseModule.forRoot(url),
        AuditModule,
      ],
      providers: [
        KeyAdministrationService,
        KeyOpenerService,
        KeyRingService,
        KeyTrustService,
        ChangeFeed,
        DatabaseClock,
        RevocationList,
        RevocationStore,
        SigningKeyStore,
      ],
    };
  }
}

function print(keys: readonly KeyView[], json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ keys }, null, 2)}\n`);
  else
    for (const key of keys)
      process.stdout.write(`${key.state.padEnd(10)} ${key.kid} signs from ${key.promote_at}\n`);
}

/** The exit code: 0 done, 1 not done, 2 not understood. */
async function run(
  administration: KeyAdministrationService,
  [command, kid, ...rest]: readonly string[],
  json: boolean,
): Promise<number> {
  if (command === 'list' && kid === undefined) print(await administration.list(), json);
  else if (command === 'rotate' && kid === undefined) print(await administration.rotate(NO_ORIGIN), json);
  else if (command === 'distrust' && kid !== undefined && rest.length === 0) {
    if ((await administration.distrust(kid, NO_ORIGIN)) === 'unknown') {
      process.stderr.write(`There is no key ${kid}\n`);
      return 1;
    }
    print(await administration.list(), json);
  } else {
    process.stderr.write(USAGE);
    return 2;
  }
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  const words = args.filter((word) => !word.startsWith('--'));
  if (args.includes('--help') || words.length === 0) {
    process.stdout.write(USAGE);
    return words.length === 0 && !args.includes('--help') ? 2 : 0;
  }
  loadDotenv();
  const config = loadCommandConfig();
  const embedded =
    config.databaseUrl === undefined
      ? await ensureEmbeddedPostgres(config.dataDir, () => undefined)
      : undefined;
  try {
    return await withKeys(config, config.databaseUrl ?? embedded!.url, (administration) =>
      run(administration, words, args.includes('--json')),
    );
  } finally {
    await embedded?.release();
  }
}

async function withKeys<T>(
  config: Config,
  url: string,
  work: (administration: KeyAdministrationService) => Promise<T>,
): Promise<T> {
  Logger.overrideLogger(['error']);
  const app = await NestFactory.createApplicationContext(KeysModule.forRoot(config, url), {
    logger: ['error'],
    abortOnError: false,
  });
  try {
    await app.get(KeyRingService).start({ upgrade: false });
    return await work(app.get(KeyAdministrationService));
  } finally {
    await app.close();
  }
}

exitOnClosedOutput((code) => process.exit(code));
main(process.argv.slice(2)).then(
  // A failed write is reported on the next turn of the event loop, and must count.
  (code) => setImmediate(() => process.exit(code)),
  (error: unknown) => {
    // What a client must not be told, whoever runs the command should be.
    const told = error instanceof Problem ? (error.cause ?? error) : error;
    process.stderr.write(`${told instanceof Error ? told.message : String(told)}\n`);
    process.exit(1);
  },
);
