import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.js';
import { configWarnings } from '../../../src/config/config-warnings.js';
import { ConfigurationError } from '../../../src/config/config.js';
import { loadConfig } from '../../../src/config/load-config.js';

const STRONG = 'kX3vQ9mZr7Lw2TnB8yHc5PdJ6sFg4AeU';
const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://db/tandem',
  JWT_SECRET: STRONG,
};

function refused(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env, '/nowhere');
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.faults.map((fault) => fault.split(' ')[0] ?? '');
  }
}

const warned = (change: Partial<Config>) =>
  configWarnings({ ...loadConfig(PRODUCTION, '/nowhere'), ...change }).map((line) => line.split(' ')[0]);

describe('the configuration in production', () => {
  it('requires a database and a secret in production and creates none', () => {
    expect(refused({ NODE_ENV: 'production' })).toEqual(['DATABASE_URL', 'JWT_SECRET']);
    expect(refused({ ...PRODUCTION, JWT_SECRET: '' })).toEqual(['JWT_SECRET']);
    expect(loadConfig(PRODUCTION, '/nowhere')).toMatchObject({
      production: true,
      jwtSecret: STRONG,
    });
  });

  it.each([
    ['short', STRONG.slice(1)],
    ['short, but long in UTF-16', '🔑'.repeat(16) + 'abcdefghijk'],
    ['the one of the README', 'your-secret-key-here'],
    ['a lengthened placeholder', 'your-secret-key-here-0123456789-abcdef'],
    ['CHANGEME', `CHANGEME-${STRONG}`],
    ['change me', `please_change_me_${STRONG}`],
    ['an example', `${STRONG}-example`],
    ['a placeholder', `placeholder-${STRONG}`],
    ['one character', 'x'.repeat(64)],
    ['few characters', 'abcabcbacbacbabcabcbabcbabcbacbabcab'],
    ['a repetition', 'correcthorsebattery'.repeat(2)],
    ['keyboard rows', 'qwertyuiopasdfghjklzxcvbnm123456'],
    ['keyboard rows in capitals', 'QWERTYUIOPASDFGHJKLZXCVBNM!@#$%^'],
    ['keyboard rows backwards', 'poiuytrewqlkjhgfdsamnbvcxz0987654321'],
    ['keyboard columns', '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.'],
    ['keyboard columns up and down', 'zaq12wsxcde34rfvbgt56yhnmju78ik,'],
    ['the rows of another keyboard', 'azertyuiopqsdfghjklmwxcvbn123456'],
    ['a walk over two rows', 'q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6'],
    ['a sequence', 'abcdefghijklmnopqrstuvwxyz0123456789'],
    ['a sequence backwards', 'zyxwvutsrqponmlkjihgfedcba987654321'],
    ['hexadecimal in order', '0123456789abcdef0123456789abcdef0'],
    ['repeated words with numbers', 'hunter2hunter3hunter4hunter5hunter6'],
    ['a repeated password', 'Password123!Password123!Password123!1'],
    ['repeated words', 'two words two words two words two'],
    ['doubled letters', 'qqwweerrttyyuuiiooppaassddffgghh'],
    ['dates', '19700101197001021970010319700104'],
    ['common passwords', 'letmein iloveyou dragon monkey football'],
    ['long and made of rows', 'qwertyuiopasdfghjklzxcvbnm123456'.repeat(5).slice(1)],
  ])('refuses a secret in production that is %s', (_, secret) => {
    expect(refused({ ...PRODUCTION, JWT_SECRET: secret })).toEqual(['JWT_SECRET']);
  });

  it('never repeats a secret in a fault', () => {
    const env = {
      ...PRODUCTION,
      JWT_SECRET: 'hunter2',
      JWT_SECRET_PREVIOUS: 'hunter3',
      DATABASE_URL: 'x://u:hunter4@h',
    };
    expect(() => loadConfig(env, '/nowhere')).toThrow(
      /^DATABASE_URL must be .+\nJWT_SECRET must be .+\nJWT_SECRET_PREVIOUS must be .+$/,
    );
    expect(() => loadConfig(env, '/nowhere')).not.toThrow(/hunter/);
  });

  it('accepts hexadecimal, base64 and long phrases as secrets', () => {
    const secrets = [
      '9f86d081884c7d659a2feaa0c55ad015',
      'q83vEjRWeJC6vN7wEjRWeJq83vASNFZ4kLreA==',
      'tea and twelve sleepy otters by the sea',
      '6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
      `${'qwertyuiop'.repeat(7)}${STRONG}`,
      `${STRONG}${'qwertyuiop'.repeat(7)}`,
      Buffer.from(STRONG.repeat(40)).toString('base64').slice(7),
    ];
    for (const secret of secrets) expect(refused({ ...PRODUCTION, JWT_SECRET: secret }), secret).toEqual([]);
  });

  it('accepts random secrets in every common format', () => {
    const forms = [
      () => randomBytes(16).toString('hex'),
      () => randomBytes(24).toString('base64'),
      () => randomBytes(48).toString('base64url'),
      () => randomUUID(),
    ];
    for (const form of forms)
      for (let i = 0; i < 25; i++) {
        const secret = form();
        expect(refused({ ...PRODUCTION, JWT_SECRET: secret }), secret).toEqual([]);
      }
  });

  it('checks only the length of the previous secret, so that a guessable one can be replaced', () => {
    expect(refused({ ...PRODUCTION, JWT_SECRET_PREVIOUS: 'short' })).toEqual(['JWT_SECRET_PREVIOUS']);
    expect(refused({ ...PRODUCTION, JWT_SECRET_PREVIOUS: 'your-secret-key-here-your-secret-key' })).toEqual(
      [],
    );
  });
});

describe('the warnings about a configuration', () => {
  it('logs no warning for a secure configuration', () => {
    expect(warned({})).toEqual([]);
  });

  it('warns about a weak secret without showing it', () => {
    const config = {
      ...loadConfig(PRODUCTION, '/nowhere'),
      production: false,
      jwtSecret: 'your-secret-key-here',
    };
    expect(configWarnings(config)).toEqual([expect.stringMatching(/^JWT_SECRET is (?!.*your-secret)/)]);
  });

  it.each<[string, Partial<Config>]>([
    ['REFRESH_FAMILY_EXPIRY', { refreshFamilyExpiry: 1 }],
    ['PASSWORD_MIN_LENGTH', { passwordMinLength: 7 }],
    ['JWT_ISSUER', { jwtIssuer: 'http://a' }],
  ])('warns about an allowed but risky %s', (name, change) => {
    expect(warned(change)).toEqual([name]);
  });
});
