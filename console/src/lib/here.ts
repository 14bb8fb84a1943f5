// Answers come when they come; the page that asked may be gone by then.
import { onDestroy } from 'svelte';

/** Called while a component starts: tells, ever after, whether it is still on the page. Its props and deriveds mean nothing once it is not. */
export function stillHere(): () => boolean {
  let here = true;
  onDestroy(() => (here = false));
  return () => here;
}
