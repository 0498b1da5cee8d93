import { useRef } from 'react';
import { Foreign } from '../ui/bits.js';
import { Mark } from '../ui/mark.js';
import { Empty } from '../ui/notice.js';
import { ScreenFrame } from '../ui/screen.js';
import { linkTo } from './place.js';
import { usePlace } from './router.js';
import { SCREENS } from './screens.js';

const GROUPS = ['Rollout', 'Users and logins', 'Operations'] as const;

/** The frame of all screens: the navigation, the user who is signed in, and the screen that the URL fragment names. */
export function Shell({
  username,
  onSignOut,
}: {
  readonly username: string;
  readonly onSignOut: () => void;
}) {
  const { path, filters } = usePlace();
  const main = useRef<HTMLElement>(null);
  const [name = SCREENS[0]!.name, ...rest] = path;
  const found = SCREENS.find((screen) => screen.name === name);
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header className="side">
        <a className="brand" href={linkTo([SCREENS[0]!.name])}>
          <Mark /> Tandem
        </a>
        <nav aria-label="Screens">
          {GROUPS.map((group) => (
            <Group key={group} group={group} current={name} />
          ))}
        </nav>
        <div className="account">
          <span className="account-name">
            <Foreign text={username} />
          </span>
          <button type="button" className="quiet" onClick={onSignOut}>
            Sign out
          </button>
        </div>
      </header>
      <main ref={main} tabIndex={-1}>
        {found === undefined ? (
          <ScreenFrame title="Nothing here">
            <Empty title="This page does not exist">
              <a href={linkTo([SCREENS[0]!.name])}>Go to the start page</a>
            </Empty>
          </ScreenFrame>
        ) : (
          <found.Screen key={path.join('/')} path={rest} filters={filters} />
        )}
      </main>
    </div>
  );
}

function Group({ group, current }: { readonly group: (typeof GROUPS)[number]; readonly current: string }) {
  const screens = SCREENS.filter((screen) => screen.group === group);
  if (screens.length === 0) return null;
  return (
    <div className="nav-group">
      <p>{group}</p>
      <ul>
        {screens.map(({ name, label }) => (
          <li key={name}>
            <a href={linkTo([name])} aria-current={name === current ? 'page' : undefined}>
              {label}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}
