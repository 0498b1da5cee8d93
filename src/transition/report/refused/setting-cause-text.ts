import type { TransitionConfig } from '../../transition.settings.js';
import type { SessionPreset } from '../../sessions/table/session-preset.js';
import type { SettingCause } from './setting-cause.js';

/** A cause in words. */
export interface CauseText {
  readonly likelyCause: string;
  readonly advice: string;
}

type Settings = Pick<TransitionConfig, 'sessionCookieName' | 'sessionUserKey' | 'sessionPreset'>;

/** The note that belongs to every list of causes. */
export const MAY_BE_STRANGERS =
  'Anyone can send a cookie, so strangers may have sent some of these requests. They do not affect the rollout.';

const TEXTS: Readonly<Record<SettingCause, (settings: Settings) => CauseText>> = {
  unknown_user: ({ sessionUserKey }) => ({
    likelyCause: `The session is live, but Tandem has no user with the id that it holds at SESSION_USER_KEY (${sessionUserKey}).`,
    advice:
      'Import the users with their ids as external_id. Or check that SESSION_USER_KEY leads to the id of the user.',
  }),
  no_user: ({ sessionUserKey }) => ({
    likelyCause:
      `The session is live, but it holds no text and no number at SESSION_USER_KEY (${sessionUserKey}). ` +
      'Many products also keep sessions of visitors who have not logged in.',
    advice:
      'If users who have logged in are refused, set SESSION_USER_KEY to the path at which sessions hold the user. The doctor suggests one.',
  }),
  other_secret: () => ({
    likelyCause:
      'The cookie was signed with a secret that is neither SESSION_SECRET nor in SESSION_SECRET_PREVIOUS.',
    advice:
      "Set SESSION_SECRET to the first of the product's secrets and SESSION_SECRET_PREVIOUS to the others.",
  }),
  other_table: () => ({
    likelyCause:
      'The signature of the cookie is right, but the session table has no such session. ' +
      'The product probably writes its sessions to another table.',
    advice: 'Check that DATABASE_URL and SESSION_TABLE lead to the table that the product writes to.',
  }),
  administrator: () => ({
    likelyCause: 'The user is an administrator of Tandem, and the product began the session.',
    advice:
      "Administrators log in at Tandem. USERS_SOURCE_MAY_MAKE_ADMINS=true accepts the product's sessions for them.",
  }),
  other_cookie: ({ sessionCookieName, sessionPreset }) => ({
    likelyCause: `The cookie ${sessionCookieName} does not have the form ${formOf(sessionPreset)} did not write it.`,
    advice: 'Check that SESSION_COOKIE_NAME is the name of the session cookie of the product.',
  }),
};

/** The form of a cookie, and what writes it. */
function formOf(preset: SessionPreset | undefined): string {
  switch (preset) {
    case 'better-auth':
      return '<token>.<signature>, so better-auth';
    case 'authjs':
      return 'of a session token, so Auth.js';
    default:
      return 's:<id>.<signature>, so express-session';
  }
}

/** Used instead if more requests by session were accepted than refused for this cause. */
const MOSTLY_ENDED: CauseText = {
  likelyCause:
    'The signature of the cookie is right, but the session table has no such session. More requests by session were accepted, so most ' +
    'of these sessions have probably ended: products delete a session at logout and after it has expired.',
  advice: 'Nothing, unless users lose their sessions. Then check DATABASE_URL and SESSION_TABLE.',
};

/** The likely cause and what to change. `accepted`: requests by session in the same time that were not refused. */
export function textOf(
  cause: SettingCause,
  requests: number,
  accepted: number,
  settings: Settings,
): CauseText {
  if (cause === 'other_table' && accepted > requests) return MOSTLY_ENDED;
  return TEXTS[cause](settings);
}

export function isSettingCause(text: string): text is SettingCause {
  return Object.hasOwn(TEXTS, text);
}
