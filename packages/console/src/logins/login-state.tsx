import { Badge, Foreign, When } from '../ui/bits.js';
import type { Tone } from '../ui/bits.js';
import type { TokenFamilyDto } from '../api/openapi.js';

const REASONS: Readonly<Record<string, readonly [Tone, string]>> = {
  logout: ['calm', 'Logged out'],
  revoke: ['warn', 'Revoked'],
  reuse: ['bad', 'Token reused'],
  password: ['warn', 'Password changed'],
  disable: ['warn', 'User disabled'],
  downgrade: ['calm', 'Moved to a session'],
};

/** The reasons of a revocation, in words. */
export function reasonOf({
  revoke_reason: reason,
}: Pick<TokenFamilyDto, 'revoke_reason'>): readonly [Tone, string] {
  return (reason !== null && REASONS[reason]) || ['calm', 'Ended'];
}

/** The state of a login. For a revoked one it also shows why, when and by whom. */
export function LoginState({ login }: { readonly login: TokenFamilyDto }) {
  if (login.state === 'active') return <Badge tone="good">Active</Badge>;
  if (login.state === 'expired') {
    return (
      <span className="state">
        <Badge tone="calm">Expired</Badge> <When at={login.expires_at} />
      </span>
    );
  }
  const [tone, words] = reasonOf(login);
  return (
    <span className="state" title={login.revoke_note ?? undefined}>
      <Badge tone={tone}>{words}</Badge> {login.revoked_at !== null && <When at={login.revoked_at} />}
      {login.revoked_by != null && login.revoked_by.id !== login.user_id && (
        <>
          {' by '}
          <Foreign text={login.revoked_by.username ?? login.revoked_by.id} />
        </>
      )}
    </span>
  );
}
