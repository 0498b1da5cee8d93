import { useState } from 'react';
import type { ReactNode } from 'react';
import { linkTo } from '../app/place.js';
import { useNow } from './now.js';
import { shortId, visible } from './text.js';
import { dateTime, relative } from './times.js';
import { describeAgent } from './user-agent.js';

/** A text that a stranger may have chosen. It cannot change the text around it, and hides nothing. */
export function Foreign({ text }: { readonly text: string }) {
  const shown = visible(text);
  return (
    <bdi className="foreign" title={shown}>
      {shown}
    </bdi>
  );
}

/** How long ago, with the exact time as a tooltip. */
export function When({ at, exact = false }: { readonly at: string; readonly exact?: boolean }) {
  const now = useNow();
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={`${dateTime(at)} (${at})`}>
      {exact ? dateTime(at) : relative(time, now)}
    </time>
  );
}

export function Agent({ agent }: { readonly agent: string | null }) {
  const text = visible(describeAgent(agent));
  return (
    <bdi
      className={agent === null ? 'muted' : 'foreign'}
      title={visible(agent ?? 'The client sent no user agent')}
    >
      {text}
    </bdi>
  );
}

export type Tone = 'good' | 'warn' | 'bad' | 'calm' | 'info';

/** A state in a word. The shape of the dot differs too, not only its colour. */
export function Badge({
  tone,
  children,
  title,
}: {
  readonly tone: Tone;
  readonly children: ReactNode;
  readonly title?: string;
}) {
  return (
    <span className={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

/** A link to a user; their id if they have no name any more. */
export function UserLink({ id, name }: { readonly id: string; readonly name?: string | null | undefined }) {
  return (
    <a href={linkTo(['users', id])} className="user-link">
      {name == null ? <code>{shortId(id)}</code> : <Foreign text={name} />}
    </a>
  );
}

/** A value to copy, such as an id. */
export function Copy({
  text,
  label,
  short = false,
}: {
  readonly text: string;
  readonly label: string;
  readonly short?: boolean;
}) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Without a secure context there is no clipboard. The text can still be selected.
    }
  };
  return (
    <span className="copy">
      <code title={text}>{short ? shortId(text) : text}</code>
      <button
        type="button"
        className="quiet"
        onClick={() => void copy()}
        onBlur={() => setCopied(false)}
        aria-label={`Copy ${label}`}
      >
        {copied ? 'Copied' : 'Copy'}
      </button>
    </span>
  );
}

/** A list of names and values. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
