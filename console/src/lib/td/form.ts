// From a schema of a Thing Description to a form, and from what was typed to a value. One generator, no code per device.
import type { Json, Schema } from './types';

/** Deeper than this a person edits JSON. */
const DEPTH_MAX = 3;
/** Up to so many choices stand beside each other. */
const RADIO_COUNT_MAX = 5;
/** Texts that may be longer get an area. */
const LINE_LENGTH_MAX = 80;

/** One choice of several. */
export interface Choice {
  readonly label: string;
  readonly value: Json;
}

/** What a person fills in. */
export type Widget =
  | { readonly kind: 'fixed'; readonly value: Json }
  | { readonly kind: 'choice'; readonly choices: readonly Choice[]; readonly radio: boolean }
  | { readonly kind: 'number'; readonly whole: boolean; readonly min: number | null; readonly max: number | null; readonly step: number | null }
  | { readonly kind: 'text'; readonly long: boolean; readonly min: number; readonly max: number | null; readonly pattern: string | null }
  | { readonly kind: 'time' }
  | { readonly kind: 'group'; readonly fields: readonly Field[] }
  | { readonly kind: 'list'; readonly item: Field; readonly min: number; readonly max: number | null }
  | { readonly kind: 'either'; readonly options: readonly Field[] }
  | { readonly kind: 'json'; readonly why: string };

/** A labelled widget. */
export interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint: string;
  readonly unit: string;
  readonly required: boolean;
  readonly widget: Widget;
  /** What the schema proposes; nothing otherwise. */
  readonly proposed: Json | undefined;
}

/** What was filled in so far, in the shape of the field. */
export type Entry =
  | { kind: 'text'; text: string }
  | { kind: 'choice'; index: number | null }
  | { kind: 'group'; entries: Record<string, Entry> }
  | { kind: 'list'; entries: Entry[] }
  | { kind: 'either'; index: number; entries: Entry[] }
  | { kind: 'fixed' };

/** What becomes of an entry. */
export type Filled =
  | { readonly ok: true; readonly value: Json | undefined }
  | { readonly ok: false; readonly errors: Readonly<Record<string, string>> };

/** The field for `schema`. */
export function fieldOf(name: string, schema: Schema, required = true, depth = 0): Field {
  return {
    name,
    label: schema.title ?? name,
    hint: [schema.description ?? '', limits(schema)].filter((part) => part !== '').join(' '),
    unit: schema.unit ?? '',
    required,
    widget: widgetOf(schema, depth),
    proposed: schema.default,
  };
}

function widgetOf(schema: Schema, depth: number): Widget {
  if (schema.const !== undefined) return { kind: 'fixed', value: schema.const };
  if (schema.enum !== undefined) {
    const choices = schema.enum.map((value) => ({ label: wordsOf(value), value }));
    return { kind: 'choice', choices, radio: choices.length <= RADIO_COUNT_MAX };
  }
  if (depth > DEPTH_MAX) return { kind: 'json', why: 'It has more levels than a form can show.' };
  if (schema.anyOf !== undefined) return { kind: 'json', why: 'It may be several things at once.' };
  if (schema.oneOf !== undefined) {
    return { kind: 'either', options: schema.oneOf.map((one, index) => fieldOf(`${index}`, { title: `Form ${index + 1}`, ...one }, true, depth + 1)) };
  }
  switch (schema.type) {
    case 'boolean': return { kind: 'choice', choices: [{ label: 'on', value: true }, { label: 'off', value: false }], radio: true };
    case 'null': return { kind: 'fixed', value: null };
    case 'integer':
    case 'number':
      return { kind: 'number', whole: schema.type === 'integer', min: schema.minimum ?? null, max: schema.maximum ?? null, step: schema.multipleOf ?? null };
    case 'string':
      if (schema.format === 'date-time') return { kind: 'time' };
      return { kind: 'text', long: (schema.maxLength ?? 0) > LINE_LENGTH_MAX, min: schema.minLength ?? 0, max: schema.maxLength ?? null, pattern: schema.pattern ?? null };
    case 'object': {
      if (schema.properties === undefined) return { kind: 'json', why: 'Its parts are not described.' };
      const required = schema.required ?? [];
      const parts = Object.entries(schema.properties).filter(([, part]) => part.readOnly !== true);
      return { kind: 'group', fields: parts.map(([name, part]) => fieldOf(name, part, required.includes(name), depth + 1)) };
    }
    case 'array':
      if (schema.items === undefined || Array.isArray(schema.items)) return { kind: 'json', why: 'What it holds is not described alike for all places.' };
      return { kind: 'list', item: fieldOf('item', schema.items, true, depth + 1), min: schema.minItems ?? 0, max: schema.maxItems ?? null };
    default: return { kind: 'json', why: 'Its kind is not described.' };
  }
}

function limits(schema: Schema): string {
  const unit = schema.unit === undefined ? '' : `\u202f${schema.unit}`;
  const parts: string[] = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) parts.push(`${schema.minimum} to ${schema.maximum}${unit}.`);
  else if (schema.minimum !== undefined) parts.push(`At least ${schema.minimum}${unit}.`);
  else if (schema.maximum !== undefined) parts.push(`At most ${schema.maximum}${unit}.`);
  if (schema.multipleOf !== undefined) parts.push(`In steps of ${schema.multipleOf}.`);
  if (schema.maxLength !== undefined) parts.push(`At most ${schema.maxLength} characters.`);
  return parts.join(' ');
}

/** How a value reads in one line. */
export function wordsOf(value: Json | undefined): string {
  if (value === undefined) return '—';
  if (value === null) return 'nothing';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'number') return new Intl.NumberFormat('en-GB', { maximumFractionDigits: 6 }).format(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a form begins with: what the schema proposes, else `value`, else nothing. */
export function entryOf(field: Field, value: Json | undefined = field.proposed): Entry {
  const widget = field.widget;
  switch (widget.kind) {
    case 'fixed': return { kind: 'fixed' };
    case 'choice': {
      const index = widget.choices.findIndex((choice) => same(choice.value, value));
      return { kind: 'choice', index: index === -1 ? null : index };
    }
    case 'group': {
      const given = isObject(value) ? value : {};
      return { kind: 'group', entries: Object.fromEntries(widget.fields.map((part) => [part.name, entryOf(part, given[part.name] ?? part.proposed)])) };
    }
    case 'list': {
      const given = Array.isArray(value) ? value : [];
      const count = Math.max(widget.min, given.length);
      return { kind: 'list', entries: Array.from({ length: count }, (_, index) => entryOf(widget.item, given[index] ?? widget.item.proposed)) };
    }
    case 'either': return { kind: 'either', index: 0, entries: widget.options.map((option) => entryOf(option)) };
    case 'json': return { kind: 'text', text: value === undefined ? '' : JSON.stringify(value, null, 2) };
    case 'number':
    case 'text':
    case 'time':
      return { kind: 'text', text: value === undefined || value === null ? '' : typeof value === 'string' ? value : String(value) };
  }
}

/** The value of a filled form, or what is wrong with it, by the path of the field (`''` for the whole, `a/0/b` inside). */
export function filled(field: Field, entry: Entry): Filled {
  const errors: Record<string, string> = {};
  const value = read(field, entry, '', errors);
  return Object.keys(errors).length === 0 ? { ok: true, value } : { ok: false, errors };
}

/** The path of a part. */
export function below(path: string, part: string | number): string {
  return path === '' ? `${part}` : `${path}/${part}`;
}

function read(field: Field, entry: Entry, path: string, errors: Record<string, string>): Json | undefined {
  const widget = field.widget;
  if (widget.kind === 'fixed') return widget.value;
  if (widget.kind === 'choice' && entry.kind === 'choice') {
    if (entry.index !== null) return widget.choices[entry.index]?.value;
    return missing(field, path, errors, 'Choose one.');
  }
  if (widget.kind === 'group' && entry.kind === 'group') {
    const object: Record<string, Json> = {};
    for (const part of widget.fields) {
      const value = read(part, entry.entries[part.name] ?? entryOf(part), below(path, part.name), errors);
      if (value !== undefined) object[part.name] = value;
    }
    return !field.required && Object.keys(object).length === 0 ? undefined : object;
  }
  if (widget.kind === 'list' && entry.kind === 'list') {
    if (entry.entries.length < widget.min) errors[path] = `At least ${widget.min}.`;
    if (widget.max !== null && entry.entries.length > widget.max) errors[path] = `At most ${widget.max}.`;
    if (!field.required && entry.entries.length === 0) return undefined;
    return entry.entries.map((one, index) => read(widget.item, one, below(path, index), errors) ?? null);
  }
  if (widget.kind === 'either' && entry.kind === 'either') {
    const option = widget.options[entry.index];
    const chosen = entry.entries[entry.index];
    return option === undefined || chosen === undefined ? undefined : read(option, chosen, path, errors);
  }
  return entry.kind === 'text' ? readText(field, entry.text, path, errors) : undefined;
}

function missing(field: Field, path: string, errors: Record<string, string>, words: string): undefined {
  if (field.required) errors[path] = words;
  return undefined;
}

function readText(field: Field, text: string, path: string, errors: Record<string, string>): Json | undefined {
  const widget = field.widget;
  if (widget.kind === 'text') {
    if (text === '' && (!field.required || widget.min > 0)) return missing(field, path, errors, 'Fill this in.');
    const length = [...text].length;
    if (length < widget.min) errors[path] = `At least ${widget.min} characters.`;
    else if (widget.max !== null && length > widget.max) errors[path] = `At most ${widget.max} characters.`;
    else if (widget.pattern !== null && !matches(widget.pattern, text)) errors[path] = `It does not fit ${widget.pattern}.`;
    return text;
  }
  if (text.trim() === '') return missing(field, path, errors, 'Fill this in.');
  if (widget.kind === 'number') return readNumber(widget, text.trim(), path, errors);
  if (widget.kind === 'time') {
    const at = new Date(text);
    if (Number.isNaN(at.getTime())) errors[path] = 'A day and a time.';
    else return at.toISOString();
  }
  if (widget.kind === 'json') {
    try {
      return JSON.parse(text) as Json;
    } catch {
      errors[path] = 'This is not JSON.';
    }
  }
  return undefined;
}

function readNumber(widget: Extract<Widget, { kind: 'number' }>, text: string, path: string, errors: Record<string, string>): number | undefined {
  const value = Number(text.replace(',', '.'));
  if (!Number.isFinite(value)) errors[path] = 'A number.';
  else if (widget.whole && !Number.isInteger(value)) errors[path] = 'A whole number.';
  else if (widget.min !== null && value < widget.min) errors[path] = `At least ${widget.min}.`;
  else if (widget.max !== null && value > widget.max) errors[path] = `At most ${widget.max}.`;
  else if (widget.step !== null && !isMultiple(value, widget.step)) errors[path] = `In steps of ${widget.step}.`;
  else return value;
  return undefined;
}

/** 0.3 is a multiple of 0.1, whatever binary fractions make of it. */
function isMultiple(value: number, step: number): boolean {
  const steps = value / step;
  return Math.abs(steps - Math.round(steps)) < 1e-9 * Math.max(1, Math.abs(steps));
}

/** A pattern that the browser cannot read is the server's to judge. */
function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true;
  }
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function same(one: Json, other: Json | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
