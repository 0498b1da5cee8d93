import type { FieldError } from '../../common/problem.js';

/** The fields that a template may use as `{{name}}`. */
export const TEMPLATE_FIELDS = ['username', 'sunset_date', 'user_agent', 'last_seen', 'guide_url'] as const;

export type TemplateField = (typeof TEMPLATE_FIELDS)[number];

export type TemplateValues = Readonly<Record<TemplateField, string>>;

export const DEFAULT_SUBJECT = 'Please switch from sessions to tokens: sessions end on {{sunset_date}}';

export const DEFAULT_TEXT = `Hello {{username}},

our API still accepts session cookies. Sessions end on {{sunset_date}}. Programs that use them will then stop working.

Your account last used a session on {{last_seen}}, with:

{{user_agent}}

What to do: let that program log in at POST /auth/login and send the access token that it gets. This guide shows each step:

{{guide_url}}

If somebody else maintains that program, please forward this mail to them.`;

/** A default template for a rollout without a sunset date. */
export function withoutDate(template: string): string {
  return template.replaceAll('on {{sunset_date}}', 'soon');
}

const NAMED = /\{\{([^{}]*)\}\}/g;

/** The errors in a template. `field` is the name of the request's field. */
export function templateErrors(template: string, field: string): FieldError[] {
  const unknown = [...template.matchAll(NAMED)]
    .map(([, name]) => name!.trim())
    .filter((name) => !isField(name));
  const known = TEMPLATE_FIELDS.map((name) => `{{${name}}}`).join(', ');
  if (unknown.length > 0) {
    const names = [...new Set(unknown)].slice(0, 5).map((name) => `{{${name.slice(0, 64)}}}`);
    return [{ field, message: `${field} names ${names.join(', ')}; there are ${known}` }];
  }
  if (/\{\{|\}\}/.test(template.replaceAll(NAMED, ''))) {
    return [
      {
        field,
        message: `${field} has braces that do not close around the name of a field; there are ${known}`,
      },
    ];
  }
  return [];
}

/** Fills in the fields. Braces in the values are plain text. */
export function fillTemplate(template: string, values: TemplateValues): string {
  return template.replaceAll(NAMED, (all, name: string) => {
    const field = name.trim();
    return isField(field) ? values[field] : all;
  });
}

function isField(name: string): name is TemplateField {
  return (TEMPLATE_FIELDS as readonly string[]).includes(name);
}
