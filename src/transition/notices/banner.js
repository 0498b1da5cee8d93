// Served at /transition/banner.js: tells session users when sessions end. For any page:
//   <script src="https://api.example.com/transition/banner.js" defer></script>
// Its words can be given as data-message ("… {date} …"), data-link, data-dismiss and data-label. What it learned is also an event,
// "tandem-migration", on the document. It needs no permission of a Content-Security-Policy but to be loaded and to ask its server.
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

  /** Storage may be forbidden: then the banner comes back with the next page. */
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

  /** Only a link to a page is one. */
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
    // Filled when it is there already, so that it is read out.
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
    // A later date is news.
    const key = `${state.phase} ${state.banner.sunset_at}`;
    if (state.banner.show && remembered() !== key) show(state.banner, key);
  }

  const begin = () => {
    ask().catch(() => {
      // A page must not suffer from this.
    });
  };
  if (document.body) begin();
  else document.addEventListener('DOMContentLoaded', begin, { once: true });
})();
