import type { ExecutionContext } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../src/auth/principal.js';
import { Roles } from '../../../src/auth/auth.decorators.js';
import { RolesGuard } from '../../../src/auth/guards/roles.guard.js';
import { AdminRole } from '../../../src/users/admin-role.js';

class Open {
  anything(): void {}
  @Roles('admin') forAdmins(): void {}
}

class Inheriting extends Open {}

@Roles('admin')
class InheritingClosed extends Open {}

@Roles('admin')
class Closed {
  inherited(): void {}
  @Roles() forNobody(): void {}
  @Roles('admin') again(): void {}
}

function admits(
  type: new () => object,
  method: string,
  role?: Principal['role'],
  adminRole = 'admin',
): boolean {
  const handler = (type.prototype as Record<string, () => void>)[method]!;
  const user = role && { userId: 'u', role, sid: undefined, via: 'bearer' };
  const context = {
    getHandler: () => handler,
    getClass: () => type,
    switchToHttp: () => ({ getRequest: () => ({ user }) }),
  };
  try {
    return new RolesGuard(new AdminRole(adminRole)).canActivate(context as unknown as ExecutionContext);
  } catch (error) {
    expect(error).toMatchObject({ status: 403, code: 'forbidden' });
    return false;
  }
}

describe('RolesGuard', () => {
  it('admits every caller to a route without roles', () => {
    expect(admits(Open, 'anything', 'user')).toBe(true);
    expect(admits(Open, 'anything')).toBe(true);
  });

  it('admits only callers with a role of the route or its controller', () => {
    for (const [type, method] of [
      [Open, 'forAdmins'],
      [Closed, 'inherited'],
    ] as const) {
      expect(admits(type, method, 'admin')).toBe(true);
      expect(admits(type, method, 'user')).toBe(false);
      expect(admits(type, method)).toBe(false);
    }
  });

  it('prefers the roles of the route to those of its controller', () => {
    expect(admits(Closed, 'again', 'admin')).toBe(true);
    expect(admits(Closed, 'forNobody', 'admin')).toBe(false);
  });

  it('admits the users with ADMIN_ROLE, and nobody whose role is only called admin', () => {
    expect(admits(Open, 'forAdmins', 'manager', 'manager')).toBe(true);
    expect(admits(Open, 'forAdmins', 'admin', 'manager')).toBe(false);
  });

  it('distinguishes controllers that inherit the same handler', () => {
    expect(admits(Inheriting, 'anything', 'user')).toBe(true);
    expect(admits(InheritingClosed, 'anything', 'user')).toBe(false);
    expect(admits(InheritingClosed, 'anything', 'admin')).toBe(true);
  });
});
