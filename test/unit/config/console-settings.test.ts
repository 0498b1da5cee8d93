import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load-config.js';

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://tandem@db/tandem',
  JWT_SECRET: 'b3JkaW5hcnktdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ',
};
const load = (variables: NodeJS.ProcessEnv) => loadConfig({ JWT_SECRET: 'a secret', ...variables });

function faults(variables: NodeJS.ProcessEnv): readonly string[] {
  try {
    load(variables);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
}

describe('CONSOLE and CONSOLE_ORIGIN', () => {
  it.each([
    ['on outside production', {}, true],
    ['off in production', PRODUCTION, false],
    ['on in production if it has an origin', { ...PRODUCTION, CONSOLE_ORIGIN: 'https://c.example' }, true],
    ['on in production if it is switched on', { ...PRODUCTION, CONSOLE: 'on' }, true],
    ['off if it is switched off', { CONSOLE: 'off', CONSOLE_ORIGIN: 'https://c.example' }, false],
  ])('make the console %s', (_, variables, isOn) => {
    expect(load(variables).console).toBe(isOn);
  });

  it('take an origin in any spelling', () => {
    expect(load({ CONSOLE_ORIGIN: 'HTTPS://Console.Example:443/' }).consoleOrigin).toBe(
      'https://console.example',
    );
    const local = { ...PRODUCTION, CONSOLE_ORIGIN: 'http://localhost:5000' };
    expect(load(local).consoleOrigin).toBe('http://localhost:5000');
  });

  it.each([
    ['CONSOLE', 'true', 'CONSOLE must be on or off'],
    [
      'CONSOLE_ORIGIN',
      'console.example.com',
      'CONSOLE_ORIGIN must be a web origin (https://console.example.com)',
    ],
    [
      'CONSOLE_ORIGIN',
      'https://c.example/console',
      'CONSOLE_ORIGIN must be a web origin (https://console.example.com)',
    ],
    ['CONSOLE_ORIGIN', '*', 'CONSOLE_ORIGIN must be a web origin (https://console.example.com)'],
  ])('refuse %s=%s', (name, value, fault) => {
    expect(faults({ [name]: value })).toEqual([fault]);
  });

  it('refuse an http origin in production', () => {
    expect(faults({ ...PRODUCTION, CONSOLE_ORIGIN: 'http://console.example' })).toEqual([
      'CONSOLE_ORIGIN must be an https origin, or an http origin of this machine (in production)',
    ]);
  });
});
