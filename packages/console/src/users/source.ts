import type { AdminUserDetailDto } from '../api/openapi.js';

/** Who owns the account. */
export function sourceOf({ source }: Pick<AdminUserDetailDto, 'source'>): string {
  return source === 'product' ? 'Your product' : 'Tandem';
}
