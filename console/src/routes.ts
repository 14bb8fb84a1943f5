// Every address of the console: one table for links, pages, titles and the tests that visit them all.

/** The pages that exist. */
export type PageName =
  | 'today' | 'devices' | 'device' | 'things' | 'thing-add' | 'thing' | 'claim' | 'audit' | 'risks' | 'system' | 'activate' | 'sign-in' | 'help' | 'not-here';

/** One address. */
export interface Route {
  readonly page: PageName;
  /** Segments under `/ui/`; `:name` takes any one segment. */
  readonly path: string;
  /** What stands in the title and the heading; a device puts its own name before. */
  readonly title: string;
  /** Shown without a session. */
  readonly open?: true;
  /** Which part of a page with tabs. */
  readonly tab?: string;
}

/** All of them, first match wins. */
export const ROUTES: readonly Route[] = [
  { page: 'today', path: '', title: 'Today' },
  { page: 'devices', path: 'devices', title: 'Devices' },
  { page: 'device', path: 'devices/:id', title: 'Overview', tab: 'overview' },
  { page: 'device', path: 'devices/:id/timeline', title: 'Timeline', tab: 'timeline' },
  { page: 'device', path: 'devices/:id/keys', title: 'Keys', tab: 'keys' },
  { page: 'device', path: 'devices/:id/channels', title: 'Channels', tab: 'channels' },
  { page: 'things', path: 'things', title: 'Smart devices' },
  { page: 'thing-add', path: 'things/add', title: 'Add a smart device' },
  { page: 'thing', path: 'things/:id', title: 'Values', tab: 'values' },
  { page: 'thing', path: 'things/:id/operations', title: 'Operations', tab: 'operations' },
  { page: 'thing', path: 'things/:id/events', title: 'Events', tab: 'events' },
  { page: 'thing', path: 'things/:id/access', title: 'Access', tab: 'access' },
  { page: 'thing', path: 'things/:id/files', title: 'Files', tab: 'files' },
  { page: 'thing', path: 'things/:id/record', title: 'Record', tab: 'record' },
  { page: 'thing', path: 'things/:id/description', title: 'Description', tab: 'description' },
  { page: 'claim', path: 'claim', title: 'Claim a device' },
  { page: 'audit', path: 'audit', title: 'Audit' },
  { page: 'risks', path: 'check', title: 'Risks' },
  { page: 'system', path: 'system', title: 'People', tab: 'people' },
  { page: 'system', path: 'system/sessions', title: 'Sessions', tab: 'sessions' },
  { page: 'system', path: 'system/clients', title: 'Clients', tab: 'clients' },
  { page: 'system', path: 'system/settings', title: 'Settings', tab: 'settings' },
  { page: 'system', path: 'system/listeners', title: 'Listeners', tab: 'listeners' },
  { page: 'activate', path: 'activate', title: 'Activate Thingstead', open: true },
  { page: 'sign-in', path: 'sign-in', title: 'Sign in', open: true },
  { page: 'help', path: 'help', title: 'Help', open: true },
  { page: 'help', path: 'help/:code', title: 'Help', open: true },
];

const NOT_HERE: Route = { page: 'not-here', path: '*', title: 'Not here, or not yours' };

/** What an address leads to. */
export interface Match {
  readonly route: Route;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Where the console lives. */
export const BASE = '/ui/';

/** Finds the route of a path such as `/ui/devices/8f2c…`. */
export function match(path: string): Match {
  const wanted = path.startsWith(BASE) ? path.slice(BASE.length) : path === '/ui' ? '' : null;
  if (wanted === null) return { route: NOT_HERE, parameters: {} };
  const segments = wanted.split('/').filter((segment) => segment !== '');
  for (const route of ROUTES) {
    const parameters = fits(route.path, segments);
    if (parameters !== null) return { route, parameters };
  }
  return { route: NOT_HERE, parameters: {} };
}

function fits(pattern: string, segments: readonly string[]): Record<string, string> | null {
  const wanted = pattern === '' ? [] : pattern.split('/');
  if (wanted.length !== segments.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const segment = segments[index] ?? '';
    if (part.startsWith(':')) {
      try {
        parameters[part.slice(1)] = decodeURIComponent(segment);
      } catch {
        return null;
      }
    } else if (part !== segment) {
      return null;
    }
  }
  return parameters;
}

/** The address of a smart device's page. */
export function thingPath(id: string, tab = ''): string {
  return `${BASE}things/${encodeURIComponent(id)}${tab === '' ? '' : `/${tab}`}`;
}

/** The address of a device's page. */
export function devicePath(id: string, tab = ''): string {
  return `${BASE}devices/${encodeURIComponent(id)}${tab === '' ? '' : `/${tab}`}`;
}
