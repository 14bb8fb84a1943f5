// The find language of lists.
import { describe, expect, it } from 'vitest';
import type { AuditEntry, Device } from '../../src/lib/api/types';
import { auditSubject, sinceMillis, wasRefused } from '../../src/lib/find/audit';
import { deviceName, deviceSubject } from '../../src/lib/find/devices';
import { findText, fits, parseFind, suggestions, unknownFields } from '../../src/lib/find/language';

function device(changes: Partial<Device> = {}): Device {
  return {
    id: '8f2c41d0-0000-4000-8000-0000000077aa', status: 7, description: '', since_unix_millis: 0, registrant: 'alder', kind: 'ec', owner_sequence_number: 2, due: null,
    image_created_unix_millis: null, parameter_choice: null, goodbye: null, seen_unix_millis: null, replaced_by: null, replaces: null,
    info: {
      device_id: '8f2c41d0-0000-4000-8000-0000000077aa', device_mac_address: '', device_manufacturer: 'Acme', device_product_code: 'P2', device_serial_number: 'S-1',
      device_build_date: '', software_manufacturer: '', software_product_code: '', software_version: '1.4.2',
    },
    ...changes,
  };
}

const found = (query: string, one: Device = device()): boolean => fits(parseFind(query), deviceSubject(one));

describe('find language', () => {
  it('splits_words_fields_negations_and_quotes', () => {
    expect(parseFind('is:unreachable -model:P2 "boiler room" maker:"Acme AG"')).toEqual([
      { field: 'is', value: 'unreachable', not: false },
      { field: 'model', value: 'p2', not: true },
      { field: null, value: 'boiler room', not: false },
      { field: 'maker', value: 'acme ag', not: false },
    ]);
    expect(parseFind('   ')).toEqual([]);
    expect(parseFind('-')).toEqual([{ field: null, value: '-', not: false }]);
  });

  it('is_the_same_after_it_was_saved', () => {
    const terms = parseFind('is:offline -maker:"acme ag" pump');
    expect(parseFind(findText(terms))).toEqual(terms);
  });

  it.each([
    ['', true], ['is:unreachable', true], ['is:in-service', false], ['-is:in-service', true], ['is:attention', true], ['is:ours', true],
    ['maker:acme', true], ['maker:acme -model:P2', false], ['maker:acme -model:P3', true], ['8f2c', true], ['id:8f2c', true], ['id:41d0', false],
    ['kind:ec', true], ['kind:rsa', false], ['owner:2', true], ['owner:3', false], ['UNREACHABLE', true], ['1.4.2', true], ['-acme', false],
  ])('finds_a_device_by_%s', (query, expected) => {
    expect(found(query)).toBe(expected);
  });

  it('finds_nothing_by_a_field_nobody_knows_not_even_negated', () => {
    expect(found('colour:red')).toBe(false);
    expect(found('-colour:red')).toBe(false);
    expect(unknownFields(parseFind('colour:red is:x colour:blue'), ['is'])).toEqual(['colour']);
  });

  it('names_a_device_that_has_said_nothing_by_its_id', () => {
    expect(deviceName(device())).toBe('Acme P2');
    expect(deviceName(device({ info: null }))).toBe('Device 8f2c41d0');
    expect(found('maker:acme', device({ info: null }))).toBe(false);
  });

  it('suggests_fields_then_values_and_keeps_what_was_typed', () => {
    const fields = { is: ['offline', 'owned'], maker: ['acme ag'] };
    expect(suggestions('i', fields)).toEqual(['is:']);
    expect(suggestions('pump -is:o', fields)).toEqual(['pump -is:offline', 'pump -is:owned']);
    expect(suggestions('maker:a', fields)).toEqual(['maker:"acme ag"']);
    expect(suggestions('pump ', fields)).toEqual([]);
  });
});

describe('audit log', () => {
  const entry: AuditEntry = {
    cursor: '1', unix_millis: 1_000_000, role: 'management', actor: 'birch', address: '10.0.0.7', operation: 'owner.transfer', device: device().id, result: 'refused', correlation: 'c1',
  };
  const asked = (query: string): boolean => fits(parseFind(query), auditSubject(entry, 2_000_000));

  it.each([
    ['who:birch', true], ['op:owner', true], ['op:owner.transfer', true], ['op:device', false], ['result:refused', true], ['result:failed', true], ['result:done', false],
    ['device:8f2c', true], ['address:10.0', true], ['since:1h', true], ['since:15m', false], ['since:soon', false], ['-who:alder', true], ['c1', true],
  ])('finds_an_entry_by_%s', (query, expected) => {
    expect(asked(query)).toBe(expected);
  });

  it('reads_spans', () => {
    expect(sinceMillis('15m')).toBe(900_000);
    expect(sinceMillis('7d')).toBe(604_800_000);
    expect(sinceMillis('7')).toBeNull();
    expect(sinceMillis('7w')).toBeNull();
  });

  it('counts_all_but_done_and_on_its_way_as_refused', () => {
    expect(['done', 'ordered', 'idle', '91e4528f17500f14', '3', 'refused', 'sign-in-failed'].map(wasRefused)).toEqual([false, false, false, false, false, true, true]);
  });
});
