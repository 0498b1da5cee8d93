import { describe, expect, it } from 'vitest';
import { isForbiddenAddress } from '../../../src/config/forbidden-address.js';
import { loadConfig } from '../../../src/config/load-config.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

function faults(variables: Record<string, string>, production = false): readonly string[] {
  const base = production
    ? {
        NODE_ENV: 'production',
        DATABASE_URL: 'postgresql://localhost/x',
        JWT_SECRET: 'b3JkaW5hcnktdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ',
      }
    : { JWT_SECRET: 'a' };
  try {
    loadConfig({ ...base, ...variables });
    return [];
  } catch (error) {
    return (error as { faults: string[] }).faults;
  }
}

describe('WEBHOOK_URL and WEBHOOK_SECRET', () => {
  it('are read together', () => {
    const config = loadConfig({
      JWT_SECRET: 'a',
      WEBHOOK_URL: 'https://shop.example/hooks?a=b',
      WEBHOOK_SECRET: SECRET,
    });
    expect(config).toMatchObject({ webhookUrl: 'https://shop.example/hooks?a=b', webhookSecret: SECRET });
    expect(faults({ WEBHOOK_URL: 'https://shop.example' })).toEqual([
      'WEBHOOK_SECRET must be set because WEBHOOK_URL is set',
    ]);
    expect(faults({ WEBHOOK_SECRET: SECRET })).toEqual([
      'WEBHOOK_URL must be set because WEBHOOK_SECRET is set',
    ]);
  });

  it.each([
    'shop.example/hooks',
    'ftp://shop.example/',
    'https://',
    'https://name:password@shop.example/',
    'https://shop.example/#part',
    'https://169.254.169.254/latest/meta-data',
    'http://169.254.1',
    'http://0xa9fea9fe/',
    'http://[fe80::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://0.0.0.0:5000/',
    'http://100.100.100.200/',
    'http://[fd00:ec2::254]/',
  ])('refuse the URL %s with one line that names the variable', (url) => {
    const found = faults({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET });
    expect(found).toEqual([expect.stringMatching(/^WEBHOOK_URL must /)]);
    expect(found[0]).not.toContain('shop.example');
  });

  it('need https or this machine in production only', () => {
    const settings = (url: string) => ({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET });
    const mine = (found: readonly string[]) => found.filter((fault) => fault.startsWith('WEBHOOK'));
    expect(mine(faults(settings('http://shop.example/'), true))).toEqual([
      'WEBHOOK_URL must be an https URL, or an http URL of this machine (in production)',
    ]);
    for (const url of [
      'https://shop.example/',
      'http://127.0.0.1:8080/',
      'http://[::1]/',
      'http://localhost/',
    ])
      expect(mine(faults(settings(url), true)), url).toEqual([]);
    expect(faults(settings('http://shop.example/'))).toEqual([]);
  });

  it.each([
    'secret',
    'whsec_',
    'whsec_c2hvcnQ=',
    `${SECRET}=`,
    `whsec_${'A'.repeat(88)}`,
    'whsec_*fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  ])('refuse the secret %s without repeating it', (secret) => {
    expect(faults({ WEBHOOK_URL: 'https://shop.example', WEBHOOK_SECRET: secret })).toEqual([
      'WEBHOOK_SECRET must be whsec_ and a key of 24 to 64 bytes in base64',
    ]);
  });
});

describe('the addresses that no outgoing call may reach', () => {
  it.each([
    ['0.0.0.0', true],
    ['0.1.2.3', true],
    ['169.254.0.1', true],
    ['169.254.169.254', true],
    ['255.255.255.255', true],
    ['224.0.0.1', true],
    ['::', true],
    ['fe80::1', true],
    ['fe80::1%eth0', true],
    ['febf::1', true],
    ['ff02::1', true],
    ['::ffff:169.254.169.254', true],
    ['::ffff:a9fe:a9fe', true],
    ['::ffff:0.0.0.0', true],
    ['::169.254.169.254', true],
    ['64:ff9b::a9fe:a9fe', true],
    ['168.63.129.16', true],
    ['', true],
    ['localhost', true],
    ['127.0.0.1', false],
    ['::1', false],
    ['::ffff:127.0.0.1', false],
    ['10.0.0.1', false],
    ['172.16.0.1', false],
    ['192.168.1.1', false],
    ['fd12:3456::1', false],
    ['fec0::1', false],
    ['93.184.216.34', false],
    ['169.253.255.255', false],
    ['2606:2800:220:1::1', false],
  ])('include %s: %s', (address, forbidden) => {
    expect(isForbiddenAddress(address)).toBe(forbidden);
  });
});
