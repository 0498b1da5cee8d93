import type { FastifyRequest } from 'fastify';
import { refuse } from '../common/common.errors.js';
import { refuseOAuth } from './oauth.errors.js';

/** The parameters of a call, without those that have no value. Callers ignore unknown parameters (RFC 6749, section 3.2). */
export type OAuthForm = Readonly<Partial<Record<string, string>>>;

/** Throws 415 for another kind of body, 400 `invalid_request` for a repeated parameter. */
export function formOf(request: FastifyRequest): OAuthForm {
  const { body } = request;
  // No body counts as a form without parameters.
  const sent = body ?? new URLSearchParams();
  if (!(sent instanceof URLSearchParams)) throw refuse('unsupported_media_type');
  const form = Object.create(null) as Record<string, string>;
  for (const [name, value] of sent) {
    if (value === '') continue;
    if (form[name] !== undefined) throw refuseOAuth('invalid_request', 'A parameter is given twice');
    form[name] = value;
  }
  return form;
}

/** The value of a parameter. Throws 400 `invalid_request` if it is missing. */
export function required(form: OAuthForm, name: string): string {
  const value = form[name];
  if (value === undefined) throw refuseOAuth('invalid_request', `The parameter ${name} is missing`);
  return value;
}
