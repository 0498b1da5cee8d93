import { useEffect, useId, useRef } from 'react';
import type { FormEvent, ReactNode } from 'react';

interface DialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly onClose: () => void;
  /** Makes the dialog a form. */
  readonly onSubmit?: () => void;
  readonly wide?: boolean;
}

/** A modal dialog. It is open while it is rendered; Escape and a press outside close it. */
export function Dialog({ title, children, onClose, onSubmit, wide = false }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current!;
    if (!element.open) element.showModal();
    return () => element.close();
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    onSubmit?.();
  };
  const body = (
    <>
      <h2 id={heading}>{title}</h2>
      {children}
    </>
  );
  return (
    <dialog
      ref={dialog}
      className={wide ? 'dialog wide' : 'dialog'}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      {onSubmit === undefined ? (
        <div className="dialog-body">{body}</div>
      ) : (
        <form className="dialog-body" onSubmit={submit}>
          {body}
        </form>
      )}
    </dialog>
  );
}

/** The buttons of a dialog, the one that acts last. */
export function DialogButtons({
  children,
  onCancel,
}: {
  readonly children: ReactNode;
  readonly onCancel: () => void;
}) {
  return (
    <div className="dialog-buttons">
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
      {children}
    </div>
  );
}
