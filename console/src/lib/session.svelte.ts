// The session of the person at the page: who, until when, and the minute before it ends.
import { call, listen, useToken } from './api/client';
import type { Session } from './api/types';
import { may } from './duties';
import { go, place } from './router.svelte';

/** How long before the end the page asks. */
export const WARNING_MILLIS = 60_000;

type Phase = 'asking' | 'in' | 'out';

/** The session; `ends` moves with every call that counts as activity. */
export const session = $state<{ phase: Phase; who: Session | null; ends: number; ended: boolean; unreachable: boolean }>({
  phase: 'asking',
  who: null,
  ends: 0,
  ended: false,
  unreachable: false,
});

/** What the person may do. */
export const rights = {
  get now() {
    return may(session.who);
  },
};

/** By how much the clock of the server is ahead of ours: measured when an answer has just renewed the session. */
let ahead = 0;

/** Takes what the server says of the session; `renewed` when this very call counted as activity. */
export function take(given: Session, renewed = true): void {
  useToken(given.token);
  session.who = given;
  const fresh = Date.now() + given.idle_minutes * 60_000;
  if (renewed) ahead = given.ends_unix_millis - fresh;
  session.ends = renewed ? fresh : given.ends_unix_millis - ahead;
  session.ended = false;
  session.unreachable = false;
  session.phase = 'in';
}

/** Forgets everything of the session. `ended`: it ended by itself. */
function forget(ended: boolean): void {
  useToken('');
  session.who = null;
  session.phase = 'out';
  session.ended = ended;
}

/** Goes to the sign-in page, and back here after it. */
function toSignIn(): void {
  if (place.found.route.open === true) return;
  const back = place.path + place.query;
  go(back === '/ui/' ? '/ui/sign-in' : `/ui/sign-in?to=${encodeURIComponent(back)}`, true);
}

/** Asks the server who we are; at the start, and when a tab wakes. */
export async function ask(background: boolean): Promise<void> {
  const outcome = await call('whoami', { background });
  if (outcome.ok) {
    take(outcome.value, !background);
  } else if (outcome.status === 401) {
    forget(session.phase === 'in');
    toSignIn();
  } else {
    session.unreachable = session.phase === 'asking';
  }
}

/** Starts to keep the session. */
export function keep(): void {
  listen(
    () => {
      forget(true);
      toSignIn();
    },
    (renewed) => {
      if (renewed && session.who !== null) session.ends = Date.now() + session.who.idle_minutes * 60_000;
    },
  );
}

/** Ends the session at the server too. */
export async function signOut(ended = false): Promise<void> {
  await call('logout');
  forget(ended);
  toSignIn();
}

/** The address to return to after the sign-in: one of ours, or the first page. */
export function returnAddress(wanted: string): string {
  return wanted.startsWith('/ui/') && !wanted.startsWith('/ui/sign-in') && !wanted.startsWith('/ui/activate') ? wanted : '/ui/';
}
