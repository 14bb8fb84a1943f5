// Drives the stream machine with a real clock and a real `EventSource`.
import type { AuditEntry, Device } from '../api/types';
import { ask, session } from '../session.svelte';
import { StreamMachine, type Order, type View } from './machine';

/** Who wants to know what the stream brings. */
export interface Listener {
  device?: (device: Device) => void;
  audit?: (entry: AuditEntry) => void;
  risks?: (count: number) => void;
  /** What was missed is unknown: ask for everything shown again. */
  refetch?: () => void;
}

const TOPICS = 'devices,audit,risks';

const machine = new StreamMachine();
const listeners = new Set<Listener>();
let source: EventSource | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

/** The state of the stream, for the banner and the sign in the top bar. */
export const live = $state<{ view: View }>({ view: machine.view() });

/** Listens until the returned function is called. */
export function onLive(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function follow(orders: Order[]): void {
  for (const order of orders) {
    if (order.do === 'connect') connect(order.after);
    else if (order.do === 'close') close();
    else for (const listener of listeners) listener.refetch?.();
  }
  live.view = machine.view();
  clearTimeout(timer);
  const deadline = machine.nextDeadline();
  if (deadline !== null) timer = setTimeout(() => follow(machine.expire(Date.now(), Math.random())), Math.max(0, deadline - Date.now()));
}

function close(): void {
  source?.close();
  source = null;
}

function connect(after: string | null): void {
  close();
  const address = `/ui/stream?topics=${TOPICS}${after === null ? '' : `&after=${encodeURIComponent(after)}`}`;
  const opened = new EventSource(address);
  source = opened;
  opened.onopen = () => follow(machine.opened(Date.now()));
  opened.onerror = () => {
    if (source !== opened) return;
    follow(machine.dropped(Date.now(), Math.random()));
    // A stream that is refused says not why; the session does.
    if (session.phase === 'in') void ask(true);
  };
  const on = (name: string, take: (data: unknown) => void): void =>
    opened.addEventListener(name, (event: MessageEvent<string>) => {
      if (source !== opened) return;
      take(read(event.data));
      follow(machine.event(Date.now(), event.lastEventId));
    });
  on('beat', () => undefined);
  on('device', (data) => {
    // Either the device itself, or an object that holds it.
    const device = ((data as { device?: Device }).device ?? data) as Device;
    for (const listener of listeners) listener.device?.(device);
  });
  on('audit', (data) => {
    for (const listener of listeners) listener.audit?.(data as AuditEntry);
  });
  on('risks', (data) => {
    const count = (data as { count?: unknown }).count;
    if (typeof count === 'number') for (const listener of listeners) listener.risks?.(count);
  });
  opened.addEventListener('reset', (event: MessageEvent<string>) => {
    if (source === opened) follow(machine.reset(Date.now(), event.lastEventId));
  });
  opened.addEventListener('signed-out', () => {
    if (source === opened) void ask(true);
  });
}

function read(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return {};
  }
}

/** Starts the stream; called when somebody is signed in. */
export function startLive(): void {
  follow(machine.start(Date.now()));
}

/** Ends it; called when nobody is. */
export function endLive(): void {
  follow(machine.end());
}

/** Tries at once. */
export function tryLiveNow(): void {
  follow(machine.tryNow(Date.now()));
}

window.addEventListener('online', tryLiveNow);
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') tryLiveNow();
});
window.addEventListener('pagehide', close);
window.addEventListener('pageshow', (event) => {
  if (event.persisted) tryLiveNow();
});
