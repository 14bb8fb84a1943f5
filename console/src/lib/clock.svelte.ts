// The time that pages show; it moves once a second while the tab is seen. And the zone people chose.

const ZONE = 'thingstead-utc';
const THEME = 'thingstead-theme';
const SHORTCUTS = 'thingstead-no-shortcuts';

export type Theme = 'system' | 'light' | 'dark';

function stored(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: the choice holds until the page is left.
  }
}

/** Now, to the second. */
export const time = $state({ now: Date.now() });

/** What the person chose; nothing of the server. */
export const taste = $state<{ utc: boolean; theme: Theme; shortcuts: boolean }>({
  utc: stored(ZONE) === 'yes',
  theme: (['light', 'dark'] as const).find((theme) => theme === stored(THEME)) ?? 'system',
  shortcuts: stored(SHORTCUTS) === null,
});

export function setUtc(utc: boolean): void {
  taste.utc = utc;
  store(ZONE, utc ? 'yes' : null);
}

export function setTheme(theme: Theme): void {
  taste.theme = theme;
  store(THEME, theme === 'system' ? null : theme);
  applyTheme();
}

export function setShortcuts(on: boolean): void {
  taste.shortcuts = on;
  store(SHORTCUTS, on ? null : 'off');
}

/** Puts the theme on the page. */
export function applyTheme(): void {
  if (taste.theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = taste.theme;
}

/** Starts the time. */
export function startClock(): void {
  setInterval(() => {
    if (document.visibilityState === 'visible') time.now = Date.now();
  }, 1000);
  document.addEventListener('visibilitychange', () => (time.now = Date.now()));
}
