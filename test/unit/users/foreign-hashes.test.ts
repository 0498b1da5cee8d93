import { argon2Sync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Clock } from '../../../src/common/clock.js';
import { Argon2Scheme } from '../../../src/users/hashing/argon2.scheme.js';
import { bcryptScheme } from '../../../src/users/hashing/bcrypt.scheme.js';
import { deviseScheme } from '../../../src/users/hashing/devise.scheme.js';
import { firebaseScryptScheme } from '../../../src/users/hashing/firebase-scrypt.scheme.js';
import { pbkdf2Scheme } from '../../../src/users/hashing/pbkdf2.scheme.js';
import { scryptScheme } from '../../../src/users/hashing/scrypt.scheme.js';
import { PasswordHasher } from '../../../src/users/hashing/password-hasher.js';

const PASSWORD = 'Tr0ub4dor & drei Bären';
const EIGHTY = '0123456789'.repeat(8);

/**
 * Made by the systems themselves, with reduced cost: Django 5.2.17 (`PBKDF2PasswordHasher().encode(PASSWORD, 'seasalt1',
 * 1000)` and its siblings), Werkzeug 3.1.9 (`generate_password_hash`), passlib 1.7.4 (`pbkdf2_sha256.using(rounds=1000).hash`
 * …), argon2-cffi 25.1.0, and libxcrypt by Python's `crypt.crypt`. Devise's hashes follow its encryptors sha512 and
 * authlogic_sha512, computed with Python's hashlib. Firebase's are from the README of github.com/firebase/scrypt and from
 * the tests of github.com/supabase/auth, with their passwords.
 */
const MADE: readonly (readonly [string, string, string?])[] = [
  ['Django PBKDF2 SHA-256', 'pbkdf2_sha256$1000$seasalt1$0aR5xWc6GnPuvs2Ludcb5L64wb7J78duzRJOFHUzDEo='],
  ['Django PBKDF2 SHA-1', 'pbkdf2_sha1$1000$seasalt1$iFJUpUX2Gd7piNULBvgc0zgvQMQ='],
  [
    'Django scrypt',
    'scrypt$1024$seasalt1$8$2$vc6cM8EOgmWKbrWa1dW5K27WHrPbH9QhRlG9Rs2yKTQxxLL1bJyOPst/yqfmniGlsIwe612oWESiz0oKGsGTag==',
  ],
  [
    'Django Argon2',
    'argon2$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHQ$sfH3xgQ1sHZ57fHzy5xRNZ2yM0qwkJgvPOJlu757zQ4',
  ],
  ['Django bcrypt of SHA-256', 'bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuu.3zZmL7/3aYgeknUbYi.sgQ.u3gY04m'],
  ['Django bcrypt', 'bcrypt$$2b$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.'],
  [
    'Werkzeug PBKDF2 SHA-256',
    'pbkdf2:sha256:1000$cRP6kwrHRh0FOEME$f22237e14a5b9d452c0b03b6697893f5a6b3b3a11add03fa8d1f6c0f7e2ce0f1',
  ],
  [
    'Werkzeug PBKDF2 SHA-512',
    'pbkdf2:sha512:1000$RwprJWeYw8w1wnBm$0d72dcdfdc87e7e7fccd1a6e361cd911a75ddb2130aa1c020e176578a286114a74f0bdc465b378b7eefe59402ad5c842098ac2283887dbb0df827054fc23cfec',
  ],
  ['Werkzeug PBKDF2 SHA-1', 'pbkdf2:sha1:1000$g6Vwmjnox2fEB9W8$b4088fd65228fd387a3e5a9615fa23453b0c4d56'],
  [
    'Werkzeug scrypt, as it is by default',
    'scrypt:32768:8:1$UCLxeN3rhwAnGSZJ$83371bf8e95da9d520abc89f50342cb0cca9151c701337edbaafd76c4bf319dc945af69e774ea90c37eb959dad10930ad04eea0222602f54fee91a64b478500f',
  ],
  [
    'passlib PBKDF2 SHA-256',
    '$pbkdf2-sha256$1000$3dv7/x.jVMr5n3MOgdA65w$DNLqM1vAvnWzGEdHLMY07/tEByyMLhO4MU0b3dq2x5I',
  ],
  [
    'passlib PBKDF2 SHA-512',
    '$pbkdf2-sha512$1000$zlmrtfaeM0bI2TsnZAyh1A$xvjbkDGLe7Y5dxEyRRr2ztEz/mng6GS7NV3mTRoyzP.VqmP7Hmp80IWaT3i2ebx37Eu3XZZmPPnnD3k0S3QvLA',
  ],
  ['passlib PBKDF2 SHA-1', '$pbkdf2$1000$dO7d.///39t7DyFkDAHAeA$BqbU1dnehmufS8OkFFeq5FXHS04'],
  [
    'passlib and PHC scrypt',
    '$scrypt$ln=8,r=8,p=2$rrXWeq81pjRGyBnDGKNU6g$Vd9ihVREsYKwI/Kjv7TXkZ2ZVnBb8lTvNVUBXng4vQc',
  ],
  // The same as passlib's, in the alphabet and with the names of PHC.
  [
    'PHC PBKDF2',
    '$pbkdf2-sha256$i=1000,l=32$3dv7/x+jVMr5n3MOgdA65w$DNLqM1vAvnWzGEdHLMY07/tEByyMLhO4MU0b3dq2x5I',
  ],
  [
    'passlib bcrypt-sha256, second version',
    '$bcrypt-sha256$v=2,t=2b,r=4$Az4Ni0Aux5ncFX4wR.6Kq.$pufZKz5tK0Gkrtd6aZRNQVQkIKmR2aW',
  ],
  [
    'passlib bcrypt-sha256, first version',
    '$bcrypt-sha256$2b,4$r2uI8kQPHww1NSz4Hbagw.$MVkcCFFrmTp4FwsntRv2hKf0jRx4ptW',
  ],
  ['bcrypt 2a', '$2a$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.'],
  ['bcrypt 2b', '$2b$04$5u1Wcg5rnvN5VL8MpXRVA.3j2dAT/UrUrx7y2SKcfFUIPq0S2RsGy'],
  ['bcrypt 2y', '$2y$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.'],
  [
    'Argon2i',
    '$argon2i$v=19$m=256,t=2,p=1$QXMWqag+7IyA+oX+oKb/mg$btw3kEtvNwAzd8v0J7mFzYNxXpUfiYfxB67WtcXGFq8',
  ],
  [
    'Argon2i, version 1.0',
    '$argon2i$v=16$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$sIlHxi4/73yu5jvI8TqWrCNdLudUnOUpoMkm+gwC5OY',
  ],
  [
    'Argon2id',
    '$argon2id$v=19$m=256,t=2,p=2$937P+Z/znnNO6b33npOS0g$PZh0dN5jndOcOQhCYvFUNCi7Y0JiJOZjgal0m4bHOOc',
  ],
  [
    'Devise SHA-512',
    'devise_sha512$10$saltsalt$c12df8e17f881d8bdefeb4e2569da3b5b599c2d9db6731dd0cb77985b626a7ef93d1911cf897599dd6bc8338203c72011cc24fcf597dd13985ffdcfd2d027cb0',
  ],
  [
    'Devise SHA-512 with a pepper',
    'devise_sha512$10$saltsalt$cGVwcGVy$38e35d690d24c94d5ea5423003b833024435c562a280de7ed7a9cbdd22bb096a40de1f7af134f3f83bb4af0e36994d07aebe4041b31cadfb2a7efdedabe03aa4',
  ],
  [
    'Authlogic SHA-512',
    'authlogic_sha512$20$saltsalt$ab1f42b5de11a9da3cf3db33dbd0f390294478736b28544791cb430bfcaa2ecbcb7f1f5677fbd8af0ec6b3b6a30dfb56a551eb55b1af97a7b57c30ddcb9e6073',
  ],
  [
    'Firebase scrypt',
    '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
    'user1password',
  ],
  [
    'Firebase scrypt as Supabase keeps it',
    '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==',
    'mytestpassword',
  ],
];

const VECTORS = MADE.map(([name, stored, password = PASSWORD]) => [name, stored, password] as const);

const hasher = new PasswordHasher(new Clock());

describe('a password hash of another system', () => {
  it.each(VECTORS)('%s is checked, and outdated', async (_, stored, password) => {
    expect(await hasher.verify(stored, password)).toBe(true);
    for (const wrong of [`${password} `, password.slice(0, -1), password.toLowerCase(), ''])
      if (wrong !== password) expect(await hasher.verify(stored, wrong), wrong).toBe(false);
    expect(hasher.needsRehash(stored, password)).toBe(true);
    expect(hasher.appraise(stored)).toMatchObject({ outcome: 'known' });
  });

  it.each(VECTORS)(
    '%s with a changed, truncated or missing tag matches no password',
    async (_, stored, password) => {
      const cut = stored.replace(/([^$]{20})[^$]*$/, '$1');
      const none = stored.slice(0, stored.lastIndexOf('$') + 1);
      const changed = stored.replace(/.{24}$/, (end) =>
        end.replace(/[0-9a-zA-Z]/g, (c) => (c === 'a' ? 'b' : 'a')),
      );
      for (const text of [cut, none, changed]) expect(await hasher.verify(text, password), text).toBe(false);
      expect(hasher.appraise(none)).toEqual({ outcome: 'unknown' });
    },
  );

  it.each([
    ['bcrypt 14', '$2b$14$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.'],
    [
      'bcrypt 31 of passlib',
      '$bcrypt-sha256$v=2,t=2b,r=31$Az4Ni0Aux5ncFX4wR.6Kq.$pufZKz5tK0Gkrtd6aZRNQVQkIKmR2aW',
    ],
    ['five million rounds', 'pbkdf2_sha256$5000000$seasalt1$0aR5xWc6GnPuvs2Ludcb5L64wb7J78duzRJOFHUzDEo='],
    ['rounds for many blocks', `$pbkdf2$i=1000000$c2FsdHNhbHQ$${'A'.repeat(160)}`],
    ['a gigabyte', `scrypt:1048576:8:1$salt$${'ab'.repeat(64)}`],
    ['a gigabyte in wide blocks', `scrypt:1024:8192:1$salt$${'ab'.repeat(64)}`],
    ['thousands of lanes', `scrypt:1024:8:9999$salt$${'ab'.repeat(64)}`],
    ['2^99 blocks', `$scrypt$ln=99,r=8,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`],
    ['a million stretches', `devise_sha512$1000000$salt$${'ab'.repeat(64)}`],
    ['terabytes', `argon2$argon2i$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`],
    ['hours', `$argon2i$v=19$m=65536,t=4294967295,p=1$c2FsdHNhbHQ$${'A'.repeat(43)}`],
  ])('that needs %s is refused without being computed', async (_, stored) => {
    expect(hasher.appraise(stored)).toEqual({ outcome: 'too_costly' });
    const began = process.cpuUsage();
    expect(await hasher.verify(stored, PASSWORD)).toBe(false);
    expect(process.cpuUsage(began).user).toBeLessThan(1_000_000);
  });

  it.each([
    '5f4dcc3b5aa765d61d8327deb882cf99',
    '{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
    '$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/',
    '$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/',
    '$P$B984sDP2cY/Op0VRZdNZaMgRhLTIe1/',
    '$2x$04$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.',
    '$2b$03$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.',
    '$2b$99$abcdefghijklmnopqrstuuLQhYgqUXXPXSkoHYSbujeXP27iQIeS.',
    '$argon2d$v=19$m=256,t=2,p=1$M1uQiLT94uoFkJxloluEew$MIineq/16ht5a1y+s5zI1Dt3wBrxTQLj3ZiDq+o1VJU',
    'pbkdf2:sha256$salt$f22237e14a5b9d452c0b03b6697893f5a6b3b3a11add03fa8d1f6c0f7e2ce0f1',
    'pbkdf2:md5:1000$salt$f22237e14a5b9d452c0b03b6697893f5',
    'pbkdf2_sha256$0$seasalt1$0aR5xWc6GnPuvs2Ludcb5L64wb7J78duzRJOFHUzDEo=',
    'pbkdf2_sha256$1000$$0aR5xWc6GnPuvs2Ludcb5L64wb7J78duzRJOFHUzDEo=',
    '$pbkdf2-sha256$i=1000,l=16$c2FsdA$DNLqM1vAvnWzGEdHLMY07/tEByyMLhO4MU0b3dq2x5I',
    `scrypt:1023:8:1$salt$${'ab'.repeat(64)}`,
    `scrypt:0:0:0$salt$${'ab'.repeat(64)}`,
    // Made with a secret key of another system, or by an unknown version.
    ...[
      '$v=19$m=64,t=1,p=1,keyid=AQID',
      '$v=19$m=64,t=1,p=1,secret=AQID',
      '$v=1$m=64,t=1,p=1',
      '$v=20$m=64,t=1,p=1',
    ].map((made) => `$argon2id${made}$nkm5OdZI83Y1pJwE58ySiQ$sW6Hz2g2C1Qb/SjYiuHkXshzE7qbEDxmF/4Yso5+7NE`),
    // scrypt takes fewer than 2^16 blocks of 128 bytes.
    `scrypt:65536:1:1$salt$${'ab'.repeat(64)}`,
    '!unusable',
    '*',
    ' ',
    `devise_sha512$10$${'s'.repeat(2_000)}$${'ab'.repeat(64)}`,
  ])('of an unknown format never matches: %s', async (stored) => {
    expect(hasher.appraise(stored)).toEqual({ outcome: 'unknown' });
    expect(await hasher.verify(stored, PASSWORD)).toBe(false);
  });
});

describe('the appraisal of hashes', () => {
  const schemes = [
    new Argon2Scheme(),
    bcryptScheme,
    pbkdf2Scheme,
    scryptScheme,
    firebaseScryptScheme,
    deviseScheme,
  ] as const;

  /** Characters that hashes contain, and a few that they do not. */
  const character = fc.constantFrom(...Array.from('$,=:./+-_0123456789abvmtprlnikeyidABZ \0é'));
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.constantFrom(0, 1, 2, 8),
    insert: fc.string({ unit: character, maxLength: 4 }),
  });
  const edited = fc
    .tuple(
      fc.constantFrom(...MADE.map(([, stored]) => stored)),
      fc.array(edit, { minLength: 1, maxLength: 3 }),
    )
    .map(([stored, edits]) =>
      edits.reduce((text, { at, remove, insert }) => {
        const from = Math.floor(at * text.length);
        return text.slice(0, from) + insert + text.slice(from + remove);
      }, stored),
    );

  it('rejects a hash that no password can match', async () => {
    let known = 0;
    const check = fc.asyncProperty(edited, async (stored) => {
      for (const scheme of schemes) {
        const cost = scheme.costOf(stored);
        if (cost === undefined || cost > 30) continue;
        known += 1;
        await expect(scheme.verify(stored, 'not the password'), stored).resolves.toBe(false);
      }
    });
    await fc.assert(check, { numRuns: 10_000 });
    expect(known).toBeGreaterThan(30);
  });

  it('accepts argon2 of every version, with associated data, and with any salt and tag', async () => {
    for (const [made, data, { salt = 16, tag = 32 }] of [
      ['$v=19', '', {}],
      ['$v=19', ',data=YWJj', {}],
      ['$v=19', '', { salt: 8, tag: 16 }],
      ['$v=19', '', { salt: 48, tag: 64 }],
    ] as const) {
      const nonce = randomBytes(salt);
      const associatedData = data === '' ? undefined : Buffer.from('abc');
      const parameters = { nonce, parallelism: 1, tagLength: tag, memory: 64, passes: 1, associatedData };
      const digest = argon2Sync('argon2id', { message: PASSWORD, ...parameters });
      const [first, second] = [nonce, digest].map((part) => part.toString('base64').replaceAll('=', ''));
      const stored = `$argon2id${made}$m=64,t=1,p=1${data}$${first}$${second}`;
      expect(hasher.appraise(stored), stored).toMatchObject({ outcome: 'known' });
      expect(await hasher.verify(stored, PASSWORD), stored).toBe(true);
    }
  });
});

describe('bcrypt', () => {
  /** `crypt.crypt(EIGHTY, …)`, which equals the hash of the first 72 characters. */
  const stored = '$2b$04$abcdefghijklmnopqrstuum2G75IXDN/xsgbNa/hCiPSKyIHQd70S';

  it('compares 72 bytes and does not replace the hash of a longer password', async () => {
    for (const password of [EIGHTY, EIGHTY.slice(0, 72), `${EIGHTY.slice(0, 72)}another end`]) {
      expect(await hasher.verify(stored, password)).toBe(true);
      expect(hasher.needsRehash(stored, password)).toBe(password.length === 72);
    }
    expect(await hasher.verify(stored, EIGHTY.slice(0, 71))).toBe(false);
    // 72 bytes, not characters.
    expect(hasher.needsRehash(stored, 'ä'.repeat(37))).toBe(false);
  });

  it('does not match a password that contains NUL', async () => {
    /** `crypt.crypt('ab', …)`: bcrypt treats `ab`, `ab\0ab` and any text that starts with `ab\0` as equal. */
    const short = '$2b$04$abcdefghijklmnopqrstuu0CkeIeZLJOlOL1QPPhfXulLNPdFqJBW';
    expect(await hasher.verify(short, 'ab')).toBe(true);
    for (const other of ['ab\0', 'ab\0ab', 'ab\0c']) expect(await hasher.verify(short, other)).toBe(false);
  });
});
