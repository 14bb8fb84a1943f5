// The life of the live stream, without a clock and without a connection: inputs carry `now`, outputs are orders.
//
//   connecting --opened--> live --dropped--> waiting --retry--> connecting ...
//   live or connecting --40 s of silence--> waiting;  any --signed out--> ended
//
// It retries for ever: a page that gives up shows old values as if they were new.

/** Silence after which what is shown may be old; the server beats every 15 s. */
export const SILENCE_MILLIS = 40_000;
/** The longest pause between two tries. */
export const PAUSE_MAX_MILLIS = 30_000;

/** What the stream is doing. */
export type Phase = 'idle' | 'connecting' | 'live' | 'waiting' | 'ended';

/** What the driver does next. */
export type Order =
  | { readonly do: 'connect'; readonly after: string | null }
  | { readonly do: 'close' }
  | { readonly do: 'refetch' };

/** What is shown of it. */
export interface View {
  readonly phase: Phase;
  /** When the last sign of life came; null before the first. */
  readonly heard: number | null;
  /** Since when what is shown may be old; null while it is not. */
  readonly lostSince: number | null;
  /** When the next try starts; null while none is planned. */
  readonly retryAt: number | null;
}

export class StreamMachine {
  private phase: Phase = 'idle';
  private after: string | null = null;
  private heard: number | null = null;
  private lostSince: number | null = null;
  private retryAt: number | null = null;
  private failures = 0;
  private begun = 0;

  /** What is shown now. */
  view(): View {
    return { phase: this.phase, heard: this.heard, lostSince: this.lostSince, retryAt: this.retryAt };
  }

  /** When `expire` has something to do; null when never. */
  nextDeadline(): number | null {
    if (this.phase === 'waiting') return this.retryAt;
    if (this.phase === 'connecting' || this.phase === 'live') return Math.max(this.heard ?? 0, this.begun) + SILENCE_MILLIS;
    return null;
  }

  /** Starts, or starts again after the end. */
  start(now: number): Order[] {
    if (this.phase !== 'idle' && this.phase !== 'ended') return [];
    this.failures = 0;
    return this.connect(now);
  }

  /** The connection stands. */
  opened(now: number): Order[] {
    if (this.phase !== 'connecting') return [];
    this.hear(now);
    return [];
  }

  /** An event came; `id` is the position after it. */
  event(now: number, id: string | null): Order[] {
    if (this.phase !== 'connecting' && this.phase !== 'live') return [];
    if (id !== null && id !== '') this.after = id;
    this.hear(now);
    return [];
  }

  /** The server cannot tell what was missed: everything shown is asked for again. */
  reset(now: number, id: string | null): Order[] {
    if (this.phase !== 'connecting' && this.phase !== 'live') return [];
    this.after = id !== null && id !== '' ? id : null;
    this.hear(now);
    return [{ do: 'refetch' }];
  }

  /** The connection broke. `chance` in [0, 1) spreads the tries of many pages. */
  dropped(now: number, chance: number): Order[] {
    if (this.phase !== 'connecting' && this.phase !== 'live') return [];
    // The first break alone is no loss yet: the next try mends most of them.
    if (this.failures > 0) this.lose();
    this.pause(now, chance);
    return [{ do: 'close' }];
  }

  /** Time has passed. */
  expire(now: number, chance: number): Order[] {
    const deadline = this.nextDeadline();
    if (deadline === null || now < deadline) return [];
    if (this.phase === 'waiting') return this.connect(now);
    this.lose();
    this.pause(now, chance);
    return [{ do: 'close' }];
  }

  /** The person asked, the tab was shown again, or the network came back. */
  tryNow(now: number): Order[] {
    return this.phase === 'waiting' ? this.connect(now) : [];
  }

  /** The session ended: nothing is tried until the next start. */
  end(): Order[] {
    if (this.phase === 'ended' || this.phase === 'idle') return [];
    this.phase = 'ended';
    this.retryAt = null;
    this.lostSince = null;
    this.heard = null;
    this.after = null;
    return [{ do: 'close' }];
  }

  private connect(now: number): Order[] {
    this.phase = 'connecting';
    this.retryAt = null;
    this.begun = now;
    return [{ do: 'connect', after: this.after }];
  }

  private hear(now: number): void {
    this.phase = 'live';
    this.heard = now;
    this.lostSince = null;
    this.failures = 0;
  }

  private lose(): void {
    this.lostSince ??= this.heard ?? this.begun;
  }

  private pause(now: number, chance: number): void {
    const step = Math.min(PAUSE_MAX_MILLIS, 1000 * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    this.phase = 'waiting';
    this.retryAt = now + Math.round(step * (0.75 + chance / 2));
  }
}
