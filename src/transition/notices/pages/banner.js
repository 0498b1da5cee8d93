// Served at /transition/banner.js. It asks people who are signed in by session to sign in again before sessions end. For any page:
//   <script src="https://api.example.com/transition/banner.js" defer></script>
// The attributes data-message ("… {date} …"), data-link, data-dismiss and data-label replace its words. The script also dispatches the
// answer of /auth/migration as the event "tandem-migration" on the document. A Content-Security-Policy must allow this server in
// script-src and connect-src, and nothing else.
(() => {
  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement)) return;
  const words = script.dataset;
  const DISMISSED = 'tandem-migration-dismissed';

  const STYLE = `
    :host { all: initial; display: block; }
    section {
      display: flex; flex-wrap: wrap; gap: 0.5em 1em; align-items: center; padding: 0.75em 1em;
      font: 1rem/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff4ce; border-bottom: 2px solid #7a5900;
    }
    p { flex: 1 1 20em; margin: 0; }
    a { color: #00408f; }
    button {
      font: inherit; color: #1b1b1b; background: #fff; border: 1px solid #1b1b1b; border-radius: 4px;
      padding: 0.375em 1em; min-height: 2.75em; cursor: pointer;
    }
    a:focus-visible, button:focus-visible { outline: 3px solid #00408f; outline-offset: 2px; }
    @media (forced-colors: active) { section { border: 2px solid CanvasText; } }`;

  /** Storage may be forbidden. Then the banner is shown again on the next page. */
  function remembered() {
    try {
      return localStorage.getItem(DISMISSED);
    } catch {
      return null;
    }
  }

  function remember(key) {
    try {
      localStorage.setItem(DISMISSED, key);
    } catch {
      // Nothing to do.
    }
  }

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function messageOf({ message, sunset_at }) {
    if (words.message === undefined) return message;
    const language = document.documentElement.lang || undefined;
    const date = sunset_at && new Date(sunset_at).toLocaleDateString(language, { dateStyle: 'long' });
    return words.message.replaceAll('{date}', date || '');
  }

  /** Refuses other schemes, such as javascript:. */
  function linkTo(url) {
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return [];
    return [element('a', { href: url, rel: 'noreferrer', textContent: words.link ?? 'What to do' })];
  }

  function show(banner, key) {
    const host = element('div');
    const root = host.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const text = element('p');
    text.setAttribute('role', 'status');
    const button = element('button', { type: 'button', textContent: words.dismiss ?? 'Dismiss' });
    const section = element('section', {}, text, ...linkTo(banner.guide_url), button);
    section.setAttribute('aria-label', words.label ?? 'Notice about signing in');
    const dismiss = () => {
      remember(key);
      host.remove();
    };
    button.addEventListener('click', dismiss);
    section.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') dismiss();
    });
    root.append(section);
    document.body.prepend(host);
    // Screen readers announce only text that is added to an existing status.
    requestAnimationFrame(() => {
      text.textContent = messageOf(banner);
    });
  }

  async function ask() {
    const answer = await fetch(new URL('../auth/migration', script.src), {
      credentials: 'include',
      headers: { accept: 'application/json' },
    });
    if (!answer.ok) return;
    const state = await answer.json();
    document.dispatchEvent(new CustomEvent('tandem-migration', { detail: state }));
    // If the date changes, the banner is shown again.
    const key = `${state.phase} ${state.banner.sunset_at}`;
    if (state.banner.show && remembered() !== key) show(state.banner, key);
  }

  const begin = () => {
    ask().catch(() => {
      // The page works without the banner.
    });
  };
  if (document.body) begin();
  else document.addEventListener('DOMContentLoaded', begin, { once: true });
})();
