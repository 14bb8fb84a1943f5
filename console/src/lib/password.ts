// What a password needs, said while it is typed. Source: SECDEV-6.2.4-i.

/** One rule, and whether it is met. */
export interface Rule {
  readonly words: string;
  readonly met: boolean;
}

/** The rules for this password, counted as the server counts: letters and signs of ASCII, and a space is neither. */
export function passwordRules(password: string): Rule[] {
  const length = [...password].length;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[!-/:-@[-`{-~]/].filter((kind) => kind.test(password)).length;
  return [
    { words: '8 to 128 characters', met: length >= 8 && length <= 128 },
    { words: 'two kinds of: lower, upper, digit, sign', met: kinds >= 2 },
  ];
}

/** Whether all of them are met. */
export function passwordFits(password: string): boolean {
  return passwordRules(password).every((rule) => rule.met);
}

/** 32 signs that are not mistaken for each other. */
const DRAWN_FROM = 'abcdefghijkmnpqrstuvwxyz23456789';

/** A password that nobody has to remember: 100 bits in four groups, with a lower letter, a digit and a sign. */
export function drawnPassword(): string {
  for (;;) {
    const drawn = [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => DRAWN_FROM.charAt(byte % 32));
    const text = [0, 5, 10, 15].map((from) => drawn.slice(from, from + 5).join('')).join('-');
    if (/[a-z]/.test(text) && /[0-9]/.test(text)) return text;
  }
}
