import { describe, expect, it } from 'vitest';
import { LimitReleaseService } from '../../../src/admin/limits/limit-release.service.js';

/** Stands in for a collaborator of which only these members are used. */
function part<T>(members: object): T {
  return members as T;
}

describe('LimitReleaseService', () => {
  it('lists what is known if this node cannot write what it has found', async () => {
    const page = { blocked: [], next_cursor: null };
    const service = new LimitReleaseService(
      part({}),
      part({ page: () => Promise.resolve(page) }),
      part({ write: () => Promise.reject(new Error('cannot write')) }),
      part({}),
      part({}),
      part({}),
      part({}),
      part({}),
    );
    expect(await service.list({})).toEqual(page);
  });
});
