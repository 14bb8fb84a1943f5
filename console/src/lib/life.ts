// A device's way into service, and the chain of its owners, from what the server says and nothing else.
import type { AuditEntry, Device } from './api/types';
import { isOurs } from './status';

/** How far one step is. */
export type Progress = 'done' | 'now' | 'ahead' | 'failed' | 'untold';

export interface LifeStep {
  readonly words: string;
  readonly progress: Progress;
  /** When it happened, where that is known. */
  readonly at: number | null;
}

const ORDER: Readonly<Record<number, number>> = { 1: 0, 100: 0, 2: 1, 3: 2, 4: 3, 101: 3, 5: 4, 6: 4, 7: 4, 102: 4 };

function lastDone(entries: readonly AuditEntry[], operations: readonly string[]): number | null {
  const found = entries.filter((entry) => operations.includes(entry.operation) && entry.result === 'done');
  return found.length === 0 ? null : Math.max(...found.map((entry) => entry.unix_millis));
}

/**
 * Since when the device is ours. A claim is answered at once; a transfer that was accepted is over when the
 * authority has given its configuration out to us.
 */
export function oursSince(entries: readonly AuditEntry[]): number | null {
  const accepted = lastDone(entries, ['owner.accept']);
  const claimed = lastDone(entries, ['owner.claim']);
  if (accepted === null || (claimed !== null && claimed > accepted)) return claimed;
  const given = entries.filter((entry) => entry.operation === 'owner.configure' && entry.result === 'done' && entry.unix_millis >= accepted);
  return given.length === 0 ? null : Math.min(...given.map((entry) => entry.unix_millis));
}

/**
 * The steps from the claim to service. Times come from the timeline where it has them; a status that has passed
 * a step shows it as done without a time.
 */
export function lifeSteps(device: Device, entries: readonly AuditEntry[]): LifeStep[] {
  const reached = ORDER[device.status];
  const failed = device.status >= 100;
  const times = [
    lastDone(entries, ['owner.register']),
    oursSince(entries),
    lastDone(entries, ['owner.configure']),
    device.image_created_unix_millis,
    device.status === 5 ? device.since_unix_millis : lastDone(entries, ['device.presence']),
  ];
  const words = ['Registered here', 'Yours', 'Configuration fetched', 'Bootstrap image ready', 'In service'];
  return words.map((word, index) => {
    const at = times[index] ?? null;
    if (reached === undefined) return { words: word, progress: at === null ? 'untold' : 'done', at };
    if (failed && index === reached + (device.status === 102 ? 0 : 1)) return { words: word, progress: 'failed', at: device.since_unix_millis };
    if (index <= reached) return { words: word, progress: 'done', at };
    return { words: word, progress: index === reached + 1 ? 'now' : 'ahead', at: null };
  });
}

/** One party of the chain. */
export interface Owner {
  readonly kind: 'maker' | 'earlier' | 'us' | 'next' | 'nobody';
  readonly words: string;
  /** The number under which it owns, where it is one. */
  readonly number: number | null;
  /** How the thing came to it. */
  readonly act: 'claim' | 'transfer' | 'release' | null;
  readonly at: number | null;
  /** Whether we saw the step ourselves. */
  readonly proven: boolean;
}

/** More earlier owners than this are drawn as one. */
const DRAWN_MAX = 3;

/**
 * Who owned it, in order. Others are named only as far as an owner may know them: the numbers before ours exist,
 * their holders are nobody's business, and no proof of them is here.
 */
export function ownershipChain(device: Device, entries: readonly AuditEntry[]): Owner[] {
  const maker = device.info?.device_manufacturer;
  const chain: Owner[] = [{ kind: 'maker', words: maker !== undefined && maker !== '' ? maker : 'Its maker', number: null, act: null, at: null, proven: true }];
  const number = device.owner_sequence_number;
  if (number === null && device.status !== 9) return chain;
  // A device that is gone has no number of ours any more.
  const earlier = (number ?? 1) - 1;
  for (let one = 1; one <= Math.min(earlier, DRAWN_MAX); one += 1) {
    const folded = one === DRAWN_MAX && earlier > DRAWN_MAX;
    chain.push({ kind: 'earlier', words: folded ? `${earlier - DRAWN_MAX + 1} earlier owners` : 'An earlier owner', number: folded ? null : one, act: null, at: null, proven: false });
  }
  const accepted = lastDone(entries, ['owner.accept']);
  const claimed = lastDone(entries, ['owner.claim']);
  const ours = oursSince(entries);
  const act = ours === null ? null : accepted !== null && accepted > (claimed ?? 0) ? 'transfer' : 'claim';
  chain.push({ kind: 'us', words: isOurs(device.status) ? 'You' : 'You, until then', number, act, at: ours, proven: ours !== null });
  if (device.status === 9) {
    const transferred = lastDone(entries, ['owner.transfer']);
    const released = lastDone(entries, ['owner.release']);
    const free = released !== null && released > (transferred ?? 0);
    chain.push({ kind: free ? 'nobody' : 'next', words: free ? 'Nobody' : 'The next owner', number: null, act: free ? 'release' : 'transfer', at: (free ? released : transferred) ?? device.since_unix_millis, proven: true });
  }
  return chain;
}
