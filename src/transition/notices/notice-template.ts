import type { FieldError } from '../../common/http/problem.js';

/** The fields that a template may use as `{{name}}`. */
export const TEMPLATE_FIELDS = ['username', 'sunset_date', 'user_agent', 'last_seen', 'guide_url'] as const;

export type TemplateField = (typeof TEMPLATE_FIELDS)[number];

export type TemplateValues = Readonly<Record<TemplateField, string>>;

export const DEFAULT_SUBJECT = 'Please sign in again: the way you sign in will change on {{sunset_date}}';

/** The default text of the mail. It is written for non-technical users. */
export const DEFAULT_TEXT = `Hello {{username}},

the way you sign in will change on {{sunset_date}}. After that, you will be signed out wherever you still use the old way.

What to do before then:

1. Reload our website. If you use our app, install the latest version.
2. Sign out.
3. Sign in again, as you always do. Your account and your password stay the same.

If you have done this already, you need not do it again.

You last used the old way on {{last_seen}}, with this browser, app or program:

{{user_agent}}

If somebody else looks after that program for you, please forward this mail to them.

This page explains each step:

{{guide_url}}

We never ask for your password by mail.`;

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
