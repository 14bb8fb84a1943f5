// What a person types from a label, and what is said while typing. Source: A-ASSURE-14.

/** Length of a case string, and of a device id without its hyphens. */
export const TYPED_LENGTH = 32;

/** What is in the field now. */
export interface Typed {
  /** The digits in lower case, without spaces and hyphens; complete only when `ok`. */
  readonly digits: string;
  readonly ok: boolean;
  /** One line for the person; empty while the field is. */
  readonly hint: string;
}

/** Characters that are mistaken for digits, and what was meant. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  o: '0', q: '9', i: '1', l: '1', z: '2', s: '5', g: '9', t: '7', '|': '1', '!': '1',
};

/**
 * Reads a typed case string or device id. `name` starts the hint: "Case string", "Device id".
 *
 * The first character that cannot be is named by its place among the digits, counted from 1 as on the label.
 */
export function readTyped(text: string, name: string): Typed {
  const digits = [...text.toLowerCase()].filter((character) => !/[\s-]/.test(character));
  if (digits.length === 0) return { digits: '', ok: false, hint: '' };
  const bad = digits.findIndex((character) => !/[0-9a-f]/.test(character));
  const joined = digits.join('');
  if (bad >= 0) return { digits: joined, ok: false, hint: characterHint(digits[bad] ?? '', bad + 1) };
  if (digits.length !== TYPED_LENGTH) {
    return { digits: joined, ok: false, hint: `${name}: ${digits.length} of ${TYPED_LENGTH} characters` };
  }
  return { digits: joined, ok: true, hint: `${name}: ${TYPED_LENGTH} of ${TYPED_LENGTH} characters` };
}

function characterHint(character: string, place: number): string {
  const meant = LOOKALIKES[character];
  const question = meant === undefined ? '' : ` Did you mean ${meant}?`;
  return `Character ${place} is '${character}'; only 0-9 and a-f occur.${question}`;
}

/** The device id in the form the server takes. */
export function uuidFromDigits(digits: string): string {
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-');
}
