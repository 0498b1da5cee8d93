import { useMemo, useSyncExternalStore } from 'react';
import { placeIn } from './place.js';
import type { Place } from './place.js';

/** Where the console is now. The component renders again when that changes. */
export function usePlace(): Place {
  const fragment = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => placeIn(fragment), [fragment]);
}

/** Goes to a link. With `replace`, the back button skips the present place. */
export function goTo(link: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (replace) location.replace(link);
  else location.assign(link);
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}
