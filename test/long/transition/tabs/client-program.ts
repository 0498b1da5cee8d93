import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { startApp } from './client-app.js';

/**
 * A program that keeps its login in a file. Arguments: the URL of the service, the file, and how many milliseconds its clock is off. It logs
 * in when it gets credentials, and says what it has seen when it gets anything else.
 */
const [baseUrl = '', file = '', offset = '0'] = process.argv.slice(2);

const storage = {
  getItem(): string | null {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return null;
    }
  },
  setItem(_key: string, value: string): void {
    writeFileSync(`${file}.new`, value);
    renameSync(`${file}.new`, file);
  },
  removeItem(): void {
    rmSync(file, { force: true });
  },
};

const { client, seen } = startApp({ baseUrl, storage }, Number(offset));

process.on('message', (message: { readonly username: string; readonly password: string } | 'seen') => {
  if (message === 'seen') return void process.send!(seen);
  return void client.login(message).then(
    () => process.send!('signed in'),
    (error: Error) => process.send!(error.message),
  );
});
process.on('disconnect', () => process.exit());
