// The label of a smart device: `OSAP1:<serial>:<code with its check>`, and the code as a person types it.
// Nothing read here is sent by itself. Source: ADR 0273.

/** Digits and letters without I, L, O and U, which read as others. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** Characters of a code, without the one that shows slips of the pen. */
const CODE_LENGTH = 12;
const HEAD = 'OSAP1:';

/** What is in the field now. */
export interface TypedCode {
  /** As it is printed: `XXXX-XXXX-XXXX-C`; complete only when `ok`. */
  readonly code: string;
  readonly ok: boolean;
  /** One line for the person; empty while the field is. */
  readonly hint: string;
}

/** What was found in a code. */
export type SmartReading =
  | { readonly found: 'label'; readonly serial: string; readonly code: string }
  | { readonly found: 'slip' }
  | { readonly found: 'other' };

/** Reads a code as a person types it: either case, hyphens and spaces anywhere; O is 0, I and L are 1. */
export function readCode(text: string): TypedCode {
  const typed = [...text.toUpperCase()].filter((character) => !/[\s-]/.test(character)).map((character) => (character === 'O' ? '0' : character === 'I' || character === 'L' ? '1' : character));
  if (typed.length === 0) return { code: '', ok: false, hint: '' };
  const bad = typed.findIndex((character) => !ALPHABET.includes(character));
  const code = printed(typed);
  if (bad >= 0) return { code, ok: false, hint: `Character ${bad + 1} is '${typed[bad] ?? ''}'; codes have digits and letters without U.` };
  if (typed.length !== CODE_LENGTH + 1) return { code, ok: false, hint: `Code: ${typed.length} of ${CODE_LENGTH + 1} characters` };
  if (check(typed) !== typed[CODE_LENGTH]) return { code, ok: false, hint: 'One character is wrong, or two changed places.' };
  return { code, ok: true, hint: `Code: ${CODE_LENGTH + 1} of ${CODE_LENGTH + 1} characters` };
}

function printed(characters: readonly string[]): string {
  return characters.map((character, at) => (at > 0 && at % 4 === 0 && at <= CODE_LENGTH ? `-${character}` : character)).join('');
}

/** A sum in which each place has another odd weight. */
function check(characters: readonly string[]): string {
  const sum = characters.slice(0, CODE_LENGTH).reduce((all, character, at) => all + ALPHABET.indexOf(character) * (2 * at + 1), 0);
  return ALPHABET.charAt(sum % 32);
}

/** Whether a device can have this serial. */
export function isSerial(text: string): boolean {
  return /^[!-~]{1,71}$/.test(text) && !/["#+/\\]/.test(text);
}

/** Reads the bytes of a code. */
export function readSmartLabel(bytes: Uint8Array): SmartReading {
  const text = String.fromCharCode(...bytes.subarray(0, 256));
  if (!text.startsWith(HEAD)) return { found: 'other' };
  const parted = text.lastIndexOf(':');
  const serial = text.slice(HEAD.length, parted);
  if (parted < HEAD.length || !isSerial(serial)) return { found: 'slip' };
  const typed = readCode(text.slice(parted + 1));
  return typed.ok ? { found: 'label', serial, code: typed.code } : { found: 'slip' };
}
