import type { ComponentType } from 'react';

/** A screen and its entry in the navigation. */
export interface Screen {
  /** The first part of the URL fragment: `#/logins`. */
  readonly name: string;
  readonly label: string;
  readonly group: 'Rollout' | 'Users and logins' | 'Operations';
  /** `path`: the rest of the place. */
  readonly Screen: ComponentType<{
    readonly path: readonly string[];
    readonly filters: Readonly<Record<string, string>>;
  }>;
}

/** A choice among the filters of a list. */
export interface Choice {
  readonly name: string;
  readonly label: string;
  readonly options: readonly (readonly [value: string, label: string])[];
}

/** What a part of the product that goes away adds to the console. */
export interface Extension {
  readonly screens: readonly Screen[];
  /** Filters of the list of logins, and what is asked for without them. */
  readonly loginChoices: readonly Choice[];
  readonly loginDefaults: Readonly<Record<string, string>>;
  /** What a login is called in the list. */
  readonly schemes: Readonly<Record<string, { readonly label: string; readonly hint: string }>>;
  /** How a login is linked with another one. */
  readonly links: Readonly<Record<string, string>>;
  /** Texts for events in the history of a login that only this part knows. */
  readonly events: Readonly<Record<string, string>>;
}

/** Adds nothing. */
export const extension: Extension = {
  screens: [],
  loginChoices: [],
  loginDefaults: {},
  schemes: {},
  links: {},
  events: {},
};
