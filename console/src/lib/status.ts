// The words and shapes of a device's status: where in life it is. Source: A-ASSURE-88.

/** A colour with a meaning; it never stands alone, a shape and a word go with it. */
export type Family = 'idle' | 'wait' | 'good' | 'warn' | 'bad';

/** A drawing of `StateIcon`. */
export type Shape =
  | 'dashed-ring' | 'ring' | 'quarter' | 'half' | 'three-quarters' | 'tick' | 'diamond' | 'triangle'
  | 'barred-ring' | 'arrow-out' | 'octagon' | 'dot' | 'dashed-dot' | 'dash' | 'lock' | 'know'
  | 'seal' | 'maker' | 'person' | 'gift';

/** One of the thirteen statuses, as people read it. */
export interface StatusWords {
  readonly number: number;
  readonly words: string;
  /** The word after `is:`. */
  readonly find: string;
  readonly family: Family;
  readonly shape: Shape;
  /** What comes next, and what the person can do about it; empty when nothing. */
  readonly next: string;
}

/** Every status, in the order of its number. */
export const STATUSES: readonly StatusWords[] = [
  { number: 0, words: 'Unknown', find: 'unknown', family: 'idle', shape: 'dashed-ring', next: 'Never heard of it here.' },
  { number: 1, words: 'Registered', find: 'registered', family: 'idle', shape: 'ring', next: 'It waits to be claimed.' },
  { number: 2, words: 'Owned, not configured', find: 'owned', family: 'wait', shape: 'quarter', next: 'Its configuration is being fetched.' },
  { number: 3, words: 'Configuration fetched', find: 'configured', family: 'wait', shape: 'half', next: 'Its bootstrap image is being built.' },
  { number: 4, words: 'Waiting for the device', find: 'waiting', family: 'wait', shape: 'three-quarters', next: 'Switch the device on. Usually under 10 s.' },
  { number: 5, words: 'In service', find: 'in-service', family: 'good', shape: 'tick', next: '' },
  { number: 6, words: 'Offline', find: 'offline', family: 'idle', shape: 'diamond', next: 'It said goodbye, and comes back when it is switched on.' },
  { number: 7, words: 'Unreachable', find: 'unreachable', family: 'warn', shape: 'triangle', next: 'It did not say goodbye. Check its power and its network.' },
  { number: 8, words: 'Replaced', find: 'replaced', family: 'idle', shape: 'barred-ring', next: 'Another device took its place.' },
  { number: 9, words: 'Passed on', find: 'passed-on', family: 'idle', shape: 'arrow-out', next: 'It is no longer yours.' },
  { number: 100, words: 'Ownership refused', find: 'refused', family: 'bad', shape: 'octagon', next: 'The authority did not give you this device. It does not say why, to anybody.' },
  { number: 101, words: 'Bootstrap failed', find: 'bootstrap-failed', family: 'bad', shape: 'octagon', next: 'Build a new image with Bootstrap again, then switch the device on.' },
  { number: 102, words: 'Channel failed', find: 'channel-failed', family: 'bad', shape: 'octagon', next: 'The management channel broke. The device tries again by itself; if it does not, bootstrap again.' },
];

const BY_NUMBER = new Map(STATUSES.map((status) => [status.number, status]));

/** The words of a status; a number of a newer server is told as it is. */
export function statusWords(number: number): StatusWords {
  return BY_NUMBER.get(number) ?? {
    number,
    words: `Status ${number}`,
    find: String(number),
    family: 'idle',
    shape: 'dashed-ring',
    next: 'This console is older than the server and does not know this status.',
  };
}

/** Whether a person has to look at it. */
export function needsAttention(number: number): boolean {
  return number === 7 || number >= 100;
}

/** Whether it is ours now. */
export function isOurs(number: number): boolean {
  return (number >= 2 && number <= 7) || number === 101 || number === 102;
}

const GOODBYES = [
  'it shut down',
  'a management system told it to reboot',
  'a management system told it to bootstrap',
  'someone at the device told it to reboot',
  'someone at the device told it to bootstrap',
];

/** Why it said goodbye. Source: aSSURE 11.3.2. */
export function goodbyeWords(reason: number): string {
  return GOODBYES[reason] ?? `reason ${reason}`;
}

/** What a kind of key is called. */
export function kindWords(kind: string | null): string {
  switch (kind) {
    case 'shared-secret':
      return 'shared secret';
    case 'ec':
      return 'elliptic curve';
    case 'rsa':
      return 'RSA';
    case null:
      return 'not known yet';
    default:
      return kind;
  }
}
