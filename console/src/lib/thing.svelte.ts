// One smart device as it is now: its description, its values, its events, kept fresh by a stream.
import { SvelteMap } from 'svelte/reactivity';
import { call } from './api/client';
import type { Problem } from './api/problem';
import type { Observation, ThingEvent } from './api/types';
import type { Json, ThingDescription } from './td/types';

/** Events shown at most; the oldest leave first. */
const EVENT_COUNT_MAX = 200;
/** The longest wait before the stream is tried again. */
const RETRY_MILLIS_MAX = 30_000;
/** The server says every 15 s that it is there. */
const SILENCE_MILLIS_MAX = 40_000;

/** A value that has just come. */
interface Told {
  name: string;
  value: Json;
  at_unix_millis: number;
  version: number;
}

export class Thing {
  readonly id: string;
  description = $state.raw<ThingDescription | null>(null);
  problem = $state.raw<Problem | null>(null);
  readonly values = new SvelteMap<string, Observation>();
  /** Newest first. */
  events = $state.raw<ThingEvent[]>([]);
  /** Events that were dropped on the way to us. */
  missed = $state(0);
  /** Whether what is shown is what holds now. */
  live = $state(false);

  #source: EventSource | null = null;
  #retry = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(id: string) {
    this.id = id;
  }

  /** Loads everything and follows it until the returned function is called. */
  follow(): () => void {
    void this.load();
    return () => {
      this.#over = true;
      clearTimeout(this.#timer);
      this.#source?.close();
    };
  }

  /** Asks for the description, the values and the newest events. */
  async load(): Promise<void> {
    const described = await call('things.show', { id: this.id, background: this.description !== null });
    if (this.#over) return;
    this.problem = described.ok ? null : described.problem;
    if (!described.ok) return;
    this.description = described.value;
    await Promise.all([this.#loadValues(), this.#loadEvents()]);
    if (!this.#over && this.#source === null) this.#connect();
  }

  async #loadValues(): Promise<void> {
    const read = await call('things.read-all', { id: this.id, query: { detail: 'true' }, background: true });
    if (!read.ok || this.#over) return;
    for (const [name, seen] of Object.entries(read.value)) this.values.set(name, seen);
  }

  async #loadEvents(): Promise<void> {
    let after: string | undefined = this.events[0]?.number.toString();
    for (;;) {
      const page = await call('things.events', { id: this.id, query: { after }, background: true });
      if (!page.ok || this.#over) return;
      for (const event of page.value.events) this.#happened(event);
      if (page.value.next === null) return;
      after = page.value.next.toString();
    }
  }

  /** What one property says, asked of the device itself. */
  async ask(name: string): Promise<Problem | null> {
    const read = await call('things.read', { id: this.id, parts: { name }, query: { fresh: 'true', detail: 'true' } });
    if (read.ok) this.values.set(name, read.value);
    return read.ok ? null : read.problem;
  }

  /** Looks at one property again, as after a change was asked for. */
  async refresh(name: string): Promise<void> {
    const read = await call('things.read', { id: this.id, parts: { name }, query: { detail: 'true' }, background: true });
    if (read.ok && !this.#over) this.values.set(name, read.value);
  }

  #happened(event: ThingEvent): void {
    if (this.events.some((one) => one.number === event.number)) return;
    this.events = [event, ...this.events].sort((left, right) => right.number - left.number).slice(0, EVENT_COUNT_MAX);
  }

  #connect(): void {
    const last = this.events[0]?.number;
    const opened = new EventSource(`/things/${encodeURIComponent(this.id)}/watch${last === undefined ? '' : `?after=${last}`}`);
    this.#source = opened;
    const on = (name: string, take: (data: unknown) => void): void =>
      opened.addEventListener(name, (message: MessageEvent<string>) => {
        if (this.#source !== opened) return;
        this.#alive();
        take(parsed(message.data));
      });
    on('beat', () => undefined);
    on('value', (data) => {
      const told = data as Told;
      const known = this.values.get(told.name);
      this.values.set(told.name, { value: told.value, at_unix_millis: told.at_unix_millis, received_unix_millis: Date.now(), version: told.version, desired: known?.desired ?? null });
      if (known?.desired?.state === 'wanted') void this.refresh(told.name);
    });
    on('event', (data) => this.#happened(data as ThingEvent));
    on('gap', (data) => (this.missed += (data as { count: number }).count));
    opened.onerror = () => this.#source === opened && this.#lost();
  }

  #alive(): void {
    this.live = true;
    this.#retry = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(), SILENCE_MILLIS_MAX);
  }

  #lost(): void {
    this.#source?.close();
    this.#source = null;
    this.live = false;
    clearTimeout(this.#timer);
    if (this.#over) return;
    const wait = Math.min(RETRY_MILLIS_MAX, 1000 * 2 ** this.#retry) * (0.5 + Math.random() / 2);
    this.#retry += 1;
    this.#timer = setTimeout(() => void this.load().then(() => this.problem !== null && this.#lost()), wait);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return {};
  }
}
