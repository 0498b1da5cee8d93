import { describe, expect, it, vi } from 'vitest';
import type { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { AdminRole } from '../../../src/users/admin-role.js';
import { ProductAuthorityService } from '../../../src/users/product-authority.service.js';
import type { ProductChannel } from '../../../src/users/product-authority.service.js';

const CHANNELS: readonly ProductChannel[] = ['source', 'upsert', 'callback', 'import'];

function anAuthority(productMayMakeAdmins: boolean, adminRole = 'manager') {
  const noteRefusedAdmin = vi.fn(() => Promise.resolve());
  const state = { noteRefusedAdmin } as unknown as ServiceStateStore;
  const authority = new ProductAuthorityService(new AdminRole(adminRole), state, { productMayMakeAdmins });
  return { authority, noteRefusedAdmin };
}

describe('what the product may do about administrators', () => {
  // The role that the product wants, whether the setting permits administrators, and the role that the user gets.
  it.each([
    ['manager', false, 'user'],
    ['manager', true, 'manager'],
    ['admin', false, 'admin'],
    ['admin', true, 'admin'],
    ['user', false, 'user'],
    ['user', true, 'user'],
    ['staff', false, 'staff'],
  ])(
    'gives a user with the role %s, if administrators are allowed (%s), the role %s',
    async (wanted, allowed, role) => {
      for (const channel of CHANNELS) {
        const { authority, noteRefusedAdmin } = anAuthority(allowed);
        expect(await authority.grant(wanted, channel)).toBe(role);
        expect(noteRefusedAdmin.mock.calls).toEqual(role === wanted ? [] : [[channel]]);
      }
    },
  );

  // The role of the user, the setting, whether Tandem began the session; whether the product controls the user, and the session signs in.
  it.each([
    ['manager', false, false, false, false],
    ['manager', false, true, false, true],
    ['manager', true, false, true, true],
    ['manager', true, true, true, true],
    ['admin', false, false, true, true],
    ['user', false, false, true, true],
    ['user', false, true, true, true],
  ])(
    'with a %s (allowed: %s, session of Tandem: %s): controls %s, session %s',
    (role, allowed, own, controls, session) => {
      const { authority } = anAuthority(allowed);
      expect(authority.controls({ role })).toBe(controls);
      expect(authority.acceptsSession({ role }, own)).toBe(session);
    },
  );

  it('follows a change of ADMIN_ROLE', () => {
    const role = new AdminRole('admin');
    const authority = new ProductAuthorityService(role, {} as ServiceStateStore, {
      productMayMakeAdmins: false,
    });
    expect([authority.controls({ role: 'admin' }), authority.controls({ role: 'chief' })]).toEqual([
      false,
      true,
    ]);
    role.use('chief');
    expect([authority.controls({ role: 'admin' }), authority.controls({ role: 'chief' })]).toEqual([
      true,
      false,
    ]);
    expect(authority.roleFor('chief')).toBe('user');
  });

  it('lets an import decide by its own option, whatever the setting is', () => {
    for (const setting of [true, false]) {
      const { authority } = anAuthority(setting);
      expect(authority.roleFor('manager', false)).toBe('user');
      expect(authority.roleFor('manager', true)).toBe('manager');
    }
  });

  it('notes a refused role once a minute, and gives the role user even if the note fails', async () => {
    const { authority, noteRefusedAdmin } = anAuthority(false);
    noteRefusedAdmin.mockRejectedValueOnce(new Error('gone'));
    for (let call = 0; call < 3; call++) expect(await authority.grant('manager', 'source')).toBe('user');
    expect(noteRefusedAdmin).toHaveBeenCalledTimes(1);
  });
});
