import { useEffect, useRef } from 'react';
import type { ReactNode } from 'react';

interface ScreenProps {
  readonly title: string;
  /** Beside the title, such as a count. */
  readonly aside?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** A page with its heading. When it appears, the heading gets the focus, so that screen readers read it. */
export function ScreenFrame({ title, aside, actions, children }: ScreenProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Tandem`;
  }, [title]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <>
      <header className="screen-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {aside !== undefined && <div className="screen-aside">{aside}</div>}
        {actions !== undefined && <div className="screen-actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}
