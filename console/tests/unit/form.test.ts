// Forms from Thing Descriptions.
import { describe, expect, it } from 'vitest';
import { entryOf, fieldOf, filled, wordsOf, type Entry, type Field } from '../../src/lib/td/form';
import type { Json, Schema } from '../../src/lib/td/types';

const text = (words: string): Entry => ({ kind: 'text', text: words });
const widget = (schema: Schema): Field['widget'] => fieldOf('x', schema).widget;

describe('forms', () => {
  it.each<[Schema, string]>([
    [{ type: 'string' }, 'text'], [{ type: 'string', format: 'date-time' }, 'time'], [{ type: 'integer' }, 'number'], [{ type: 'number' }, 'number'],
    [{ type: 'boolean' }, 'choice'], [{ type: 'null' }, 'fixed'], [{ const: 3 }, 'fixed'], [{ enum: ['a', 'b'] }, 'choice'],
    [{ type: 'object', properties: { a: { type: 'string' } } }, 'group'], [{ type: 'object' }, 'json'], [{ type: 'array', items: { type: 'string' } }, 'list'],
    [{ type: 'array' }, 'json'], [{ type: 'array', items: [{ type: 'string' }] }, 'json'], [{ oneOf: [{ type: 'string' }] }, 'either'],
    [{ anyOf: [{ type: 'string' }] }, 'json'], [{}, 'json'],
  ])('has_a_widget_for_%j', (schema, kind) => {
    expect(widget(schema).kind).toBe(kind);
  });

  it('shows_few_choices_beside_each_other_and_many_in_a_list', () => {
    expect(widget({ enum: [1, 2, 3, 4, 5] })).toMatchObject({ radio: true });
    expect(widget({ enum: [1, 2, 3, 4, 5, 6] })).toMatchObject({ radio: false });
  });

  it('gives_up_below_three_levels', () => {
    const nested = (depth: number): Schema => (depth === 0 ? { type: 'string' } : { type: 'object', properties: { in: nested(depth - 1) } });
    const kinds = (field: Field): string[] => [field.widget.kind, ...(field.widget.kind === 'group' ? field.widget.fields.flatMap(kinds) : [])];
    expect(kinds(fieldOf('x', nested(3)))).toEqual(['group', 'group', 'group', 'text']);
    expect(kinds(fieldOf('x', nested(5))).at(-1)).toBe('json');
  });

  it('proposes_no_answer_to_a_yes_or_no_unless_the_schema_does', () => {
    expect(entryOf(fieldOf('x', { type: 'boolean' }))).toEqual({ kind: 'choice', index: null });
    expect(entryOf(fieldOf('x', { type: 'boolean', default: false }))).toEqual({ kind: 'choice', index: 1 });
  });

  it.each<[Schema, Entry, Json]>([
    [{ type: 'integer' }, text(' 12 '), 12], [{ type: 'number' }, text('0,5'), 0.5], [{ type: 'number', multipleOf: 0.1 }, text('0.3'), 0.3],
    [{ type: 'string' }, text(''), ''], [{ type: 'string' }, text('ä'), 'ä'], [{ const: 'go' }, { kind: 'fixed' }, 'go'],
    [{ type: 'boolean' }, { kind: 'choice', index: 1 }, false], [{ enum: ['a', null] }, { kind: 'choice', index: 1 }, null],
    [{}, text('{"a":[1]}'), { a: [1] }], [{ type: 'string', format: 'date-time' }, text('2026-11-22T10:00:00Z'), '2026-11-22T10:00:00.000Z'],
    [{ type: 'array', items: { type: 'integer' } }, { kind: 'list', entries: [text('1'), text('2')] }, [1, 2]],
    [{ oneOf: [{ type: 'string' }, { type: 'integer' }] }, { kind: 'either', index: 1, entries: [text('no'), text('7')] }, 7],
  ])('reads_%j', (schema, entry, value) => {
    expect(filled(fieldOf('x', schema), entry)).toEqual({ ok: true, value });
  });

  it.each<[Schema, Entry, string]>([
    [{ type: 'integer' }, text('1.5'), 'A whole number.'], [{ type: 'integer' }, text('two'), 'A number.'], [{ type: 'integer' }, text(''), 'Fill this in.'],
    [{ type: 'integer', minimum: 3 }, text('2'), 'At least 3.'], [{ type: 'integer', maximum: 3 }, text('4'), 'At most 3.'], [{ type: 'number', multipleOf: 5 }, text('7'), 'In steps of 5.'],
    [{ type: 'number' }, text('1e999'), 'A number.'], [{ type: 'string', minLength: 2 }, text('a'), 'At least 2 characters.'], [{ type: 'string', minLength: 1 }, text(''), 'Fill this in.'],
    [{ type: 'string', maxLength: 1 }, text('ab'), 'At most 1 characters.'], [{ type: 'string', pattern: '^a+$' }, text('b'), 'It does not fit ^a+$.'],
    [{ type: 'boolean' }, { kind: 'choice', index: null }, 'Choose one.'], [{}, text('{'), 'This is not JSON.'], [{ type: 'string', format: 'date-time' }, text('soon'), 'A day and a time.'],
    [{ type: 'array', items: { type: 'string' }, minItems: 1 }, { kind: 'list', entries: [] }, 'At least 1.'],
  ])('says_what_is_wrong_with_%j', (schema, entry, words) => {
    expect(filled(fieldOf('x', schema), entry)).toEqual({ ok: false, errors: { '': words } });
  });

  it('names_the_part_that_is_wrong_and_leaves_out_what_nobody_filled_in', () => {
    const schema: Schema = { type: 'object', required: ['litres'], properties: { litres: { type: 'number' }, note: { type: 'string' }, id: { type: 'string', readOnly: true } } };
    const field = fieldOf('x', schema);
    const entry = entryOf(field);
    expect(filled(field, entry)).toEqual({ ok: false, errors: { litres: 'Fill this in.' } });
    if (entry.kind === 'group') entry.entries['litres'] = text('2');
    expect(filled(field, entry)).toEqual({ ok: true, value: { litres: 2 } });
  });

  it('says_limits_and_units_and_reads_values_aloud', () => {
    expect(fieldOf('x', { type: 'number', minimum: 5, maximum: 30, unit: '°C', description: 'Wanted.' }).hint).toBe('Wanted. 5 to 30\u202f°C.');
    expect([true, null, 21.4, 'a', { a: 1 }, undefined].map((value) => wordsOf(value as Json | undefined))).toEqual(['on', 'nothing', '21.4', 'a', '{"a":1}', '—']);
  });
});
