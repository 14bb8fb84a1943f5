// How many risks are open, for the bell.
import { call } from './api/client';
import { onLive } from './stream/live.svelte';

/** Open risks; null while not known. */
export const openRisks = $state<{ count: number | null }>({ count: null });

/** Asks once. */
export async function countRisks(): Promise<void> {
  const outcome = await call('risk.list', { background: true });
  if (outcome.ok) openRisks.count = outcome.value.risks.length;
}

onLive({
  risks: (count) => (openRisks.count = count),
  refetch: () => {
    if (openRisks.count !== null) void countRisks();
  },
});
