import { describe, expect, it } from 'vitest';
import { before, content, unsealed } from '../../../src/audit/audit-finding.js';
import { agree, counted } from '../../../src/common/counted.js';
import { PasswordPolicy } from '../../../src/users/password-policy.js';

describe('a count in a message', () => {
  it.each([
    [0, '0 logins have'],
    [1, '1 login has'],
    [2, '2 logins have'],
  ])('of %i agrees with its words', (n, text) => {
    expect(`${counted(n, 'login')} ${agree(n, 'has', 'have')}`).toBe(text);
    expect(counted(n, 'entry', 'entries')).toBe(n === 1 ? '1 entry' : `${n} entries`);
  });

  it('of one event, character or column is singular', () => {
    const seal = { id: '1', firstId: '1', lastId: '9', count: 1, sealedAt: '0' } as never;
    const messages = [content(seal, 0), content(seal, 1), before('1', '1', 1), unsealed(1, undefined)].map(
      ({ message }) => message,
    );
    messages.push(new PasswordPolicy({ passwordMinLength: 1 }).weakness('')!);
    for (const message of messages) expect(message).not.toMatch(/\b1 (?!was|is|has)(?:\w+s\b|are|were|have)/);
  });
});
