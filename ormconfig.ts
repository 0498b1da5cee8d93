import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataSource } from 'typeorm';
import { loadDotenv } from './src/config/dotenv.js';
import { Environment } from './src/config/environment.js';
import { readVariables } from './src/config/secret-files.js';
import { dataSourceOptions } from './src/database/data-source-options.js';

loadDotenv();

const { values } = readVariables(Environment, process.env, process.cwd());

/** Configures the TypeORM command line: `typeorm migration:show -d dist/ormconfig.js`. */
export default new DataSource({
  ...dataSourceOptions(values['DATABASE_URL'] ?? 'postgres://127.0.0.1:5432/tandem', {
    schema: values['DATABASE_SCHEMA'],
  }),
  entities: [join(dirname(fileURLToPath(import.meta.url)), 'src', '**', '*.entity.js')],
});
