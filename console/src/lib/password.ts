// What a password needs, said while it is typed. Source: SECDEV-6.2.4-i.

/** One rule, and whether it is met. */
export interface Rule {
  readonly words: string;
  readonly met: boolean;
}

/** The rules for this password. The server decides; this only spares the way. */
export function passwordRules(password: string): Rule[] {
  const length = [...password].length;
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u].filter((kind) => kind.test(password)).length;
  return [
    { words: '8 to 128 characters', met: length >= 8 && length <= 128 },
    { words: 'two kinds of: lower, upper, digit, sign', met: kinds >= 2 },
  ];
}

/** Whether all of them are met. */
export function passwordFits(password: string): boolean {
  return passwordRules(password).every((rule) => rule.met);
}
