// Where the person is. Links are plain links; a click on one of ours changes the page without loading it.
import { BASE, match, type Match } from '../routes';

interface Place {
  path: string;
  query: string;
  found: Match;
}

function here(): Place {
  const { pathname, search } = window.location;
  return { path: pathname, query: search, found: match(pathname) };
}

/** The place now; `turns` counts page changes, so that the focus can follow. */
export const place = $state<Place & { turns: number }>({ ...here(), turns: 0 });

function arrive(): void {
  const next = here();
  const turned = next.path !== place.path;
  Object.assign(place, next);
  if (turned) {
    place.turns += 1;
    window.scrollTo(0, 0);
  }
}

/** Goes to an address under `/ui/`. */
export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  arrive();
}

/** One value of the query. */
export function queryValue(name: string): string {
  return new URLSearchParams(place.query).get(name) ?? '';
}

/** Writes one value of the query into the address, without a new entry of the history. */
export function setQueryValue(name: string, value: string): void {
  const query = new URLSearchParams(window.location.search);
  if (value === '') query.delete(name);
  else query.set(name, value);
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',');
  go(`${window.location.pathname}${text === '' ? '' : `?${text}`}`, true);
}

function clicked(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest('a');
  if (!link || link.target !== '' || link.hasAttribute('download') || link.origin !== window.location.origin) return;
  if (!link.pathname.startsWith(BASE) || link.hash !== '') return;
  event.preventDefault();
  go(link.pathname + link.search);
}

/** Starts to follow links and the browser's back and forward. */
export function followLinks(): void {
  document.addEventListener('click', clicked);
  window.addEventListener('popstate', arrive);
}
