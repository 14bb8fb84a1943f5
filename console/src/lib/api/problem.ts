// A failure as the console keeps it: what happened, why when told, what to do, and the ids to ask with.
import { TEXTS, type Entry } from './catalogue';

/** One failure. */
export interface Problem {
  /** A code of the catalogue. */
  readonly code: string;
  /** Past tense, names the thing; no full stop. */
  readonly title: string;
  readonly why: string;
  readonly attempts: readonly string[];
  /** The server's id of the request. */
  readonly request: string | null;
  /** When it is worth trying again. */
  readonly retryAt: number | null;
}

/** Texts of codes; `/ui/help/CODE` shows them. The server's own words win where it sends some. */
export const CATALOGUE: Readonly<Record<string, Entry>> = {
  ...TEXTS,
  // Found out by the page alone.
  'not-sent': {
    title: 'Not sent',
    why: 'This computer has no network.',
    attempts: ['Repeat when the network is back: what you entered is kept'],
  },
};

/** A failure of the catalogue. */
export function problem(code: string, more: Partial<Problem> = {}): Problem {
  const entry = CATALOGUE[code] ?? CATALOGUE['internal'];
  return {
    code,
    title: entry?.title ?? code,
    why: entry?.why ?? '',
    attempts: entry?.attempts ?? [],
    request: null,
    retryAt: null,
    ...more,
  };
}
