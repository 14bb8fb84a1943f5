// The find language of lists: words, `field:value`, `-` before either for "not", quotes around spaces.

/** One condition. */
export interface Term {
  /** A field, or null for a word that may stand anywhere. */
  readonly field: string | null;
  readonly value: string;
  readonly not: boolean;
}

/** Splits what was typed into conditions; all of them have to hold. */
export function parseFind(text: string): Term[] {
  const terms: Term[] = [];
  for (const found of text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)) {
    const value = (found[3] ?? found[4] ?? '').toLowerCase();
    if (value === '') continue;
    terms.push({ field: found[2]?.toLowerCase() ?? null, value, not: found[1] === '-' });
  }
  return terms;
}

/** What can be asked of a row. */
export interface Subject {
  /** Whether the field has the value; undefined when there is no such field. */
  readonly field: (name: string, value: string) => boolean | undefined;
  /** Text in which words are looked for, in lower case. */
  readonly text: string;
}

/** Whether a row fits all conditions. A field nobody knows fits nothing, and nothing without it. */
export function fits(terms: readonly Term[], subject: Subject): boolean {
  return terms.every((term) => {
    const holds = term.field === null ? subject.text.includes(term.value) : subject.field(term.field, term.value);
    return holds === undefined ? false : holds !== term.not;
  });
}

/** Fields that were asked for and that nobody knows. */
export function unknownFields(terms: readonly Term[], known: readonly string[]): string[] {
  const asked = terms.flatMap((term) => (term.field !== null && !known.includes(term.field) ? [term.field] : []));
  return [...new Set(asked)];
}

/** The conditions as text, as they are saved in the address. */
export function findText(terms: readonly Term[]): string {
  return terms
    .map((term) => {
      const value = term.value.includes(' ') ? `"${term.value}"` : term.value;
      return `${term.not ? '-' : ''}${term.field === null ? '' : `${term.field}:`}${value}`;
    })
    .join(' ');
}

/** What the last word could become: completions of a field's name or value. */
export function suggestions(text: string, fields: Readonly<Record<string, readonly string[]>>, limit = 8): string[] {
  const start = /\S*$/.exec(text)?.index ?? 0;
  const word = text.slice(start);
  const not = word.startsWith('-') ? '-' : '';
  const bare = word.slice(not.length).toLowerCase();
  if (bare === '') return [];
  const colon = bare.indexOf(':');
  const options = colon < 0
    ? Object.keys(fields).map((field) => `${field}:`)
    : (fields[bare.slice(0, colon)] ?? []).map((value) => `${bare.slice(0, colon)}:${value.includes(' ') ? `"${value}"` : value}`);
  return options
    .filter((option) => {
      const plain = option.toLowerCase().replaceAll('"', '');
      return plain.startsWith(bare.replaceAll('"', '')) && option.toLowerCase() !== bare;
    })
    .slice(0, limit)
    .map((option) => text.slice(0, start) + not + option);
}
