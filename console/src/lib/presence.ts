// When a device was there, from what its owner's log says: it came, said goodbye, or stopped answering.
import type { AuditEntry } from './api/types';

export type Presence = 'there' | 'away' | 'untold';

/** A stretch of time without a change. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly state: Presence;
}

const CHANGES: Readonly<Record<string, Presence>> = { 'device.presence': 'there', 'device.goodbye': 'away', 'device.lost': 'away' };

/** The stretches between `from` and `to`, in order and without holes; before the first word of it nothing is told. */
export function presenceStretches(entries: readonly AuditEntry[], from: number, to: number): Stretch[] {
  const changes = entries
    .flatMap((entry) => {
      const state = CHANGES[entry.operation];
      return state === undefined || entry.unix_millis >= to ? [] : [{ at: entry.unix_millis, state }];
    })
    .sort((left, right) => left.at - right.at);
  const stretches: Stretch[] = [];
  let since = from;
  let state: Presence = 'untold';
  for (const change of changes) {
    if (change.at > since && change.state !== state) {
      stretches.push({ from: since, to: change.at, state });
      since = change.at;
    }
    state = change.state;
  }
  stretches.push({ from: since, to, state });
  return stretches;
}
