// The devices this page knows: loaded page by page, kept fresh by the stream.
import { SvelteMap } from 'svelte/reactivity';
import { call } from './api/client';
import type { Problem } from './api/problem';
import type { Device } from './api/types';
import { onLive } from './stream/live.svelte';

/** Devices that are loaded without being asked for more. */
export const LOAD_MAX = 5_000;

interface State {
  phase: 'new' | 'loading' | 'there' | 'failed';
  problem: Problem | null;
  /** Where the server has more, when it has. */
  next: string | null;
}

/** Devices by id. */
export const devices = new SvelteMap<string, Device>();
/** How far loading has come. */
export const loading = $state<State>({ phase: 'new', problem: null, next: null });

let round = 0;

/** Loads from the beginning, or on from where it stopped. */
export async function loadDevices(on = false): Promise<void> {
  const mine = ++round;
  loading.phase = 'loading';
  loading.problem = null;
  let after = on ? (loading.next ?? undefined) : undefined;
  const seen = new Set<string>();
  for (let count = 0; count < LOAD_MAX; ) {
    const outcome = await call('owner.list', { query: { after }, background: count > 0 });
    if (mine !== round) return;
    if (!outcome.ok) {
      loading.phase = 'failed';
      loading.problem = outcome.problem;
      return;
    }
    for (const device of outcome.value.devices) {
      devices.set(device.id, device);
      seen.add(device.id);
    }
    count += Math.max(1, outcome.value.devices.length);
    loading.next = outcome.value.next;
    after = outcome.value.next ?? undefined;
    if (after === undefined) break;
  }
  if (!on) for (const id of devices.keys()) if (!seen.has(id)) devices.delete(id);
  loading.phase = 'there';
}

/** Has the server look for devices, where not all are loaded; what it finds is known here from then on. */
export async function findDevices(words: string, after?: string): Promise<{ next: string | null } | Problem> {
  const outcome = await call('owner.list', { query: { q: words, after } });
  if (!outcome.ok) return outcome.problem;
  for (const device of outcome.value.devices) devices.set(device.id, device);
  return { next: outcome.value.next };
}

/** Loads once; later calls find it there. */
export function needDevices(): void {
  if (loading.phase === 'new') void loadDevices();
}

/** Forgets everything; called when a session ends. */
export function forgetDevices(): void {
  round += 1;
  devices.clear();
  loading.phase = 'new';
  loading.problem = null;
  loading.next = null;
}

/** Asks for one device again. */
export async function refreshDevice(id: string, background = true): Promise<Problem | null> {
  const outcome = await call('owner.show', { id, background });
  if (!outcome.ok) return outcome.problem;
  devices.set(outcome.value.id, outcome.value);
  return null;
}

onLive({
  device: (device) => devices.set(device.id, device),
  refetch: () => {
    if (loading.phase !== 'new') void loadDevices();
  },
});
