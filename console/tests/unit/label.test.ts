// Labels as they are read and as they are typed.
import { readCode, readSmartLabel } from '../../src/lib/label/smart';
import { describe, expect, it } from 'vitest';
import { whyNoCamera } from '../../src/lib/label/camera';
import { LABEL_LENGTH, readLabel } from '../../src/lib/label/bytes';
import { readTyped, uuidFromDigits } from '../../src/lib/label/typed';

function label(version = 1): Uint8Array {
  const bytes = new Uint8Array(LABEL_LENGTH);
  bytes.set([0x83, version, 0x50]);
  for (let index = 0; index < 16; index += 1) {
    bytes[3 + index] = index;
    bytes[20 + index] = 0xf0 + index;
  }
  bytes[19] = 0x50;
  return bytes;
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

describe('the bytes of a label', () => {
  it('gives_device_and_case_string', () => {
    const reading = readLabel(label());
    expect(reading).toEqual({ found: 'label', device: '00010203-0405-0607-0809-0a0b0c0d0e0f', caseString: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', bytes: label() });
  });

  it('keeps_a_copy_that_the_next_frame_cannot_change', () => {
    const bytes = label();
    const reading = readLabel(bytes);
    bytes.fill(0);
    expect(reading.found === 'label' && reading.bytes[0]).toBe(0x83);
  });

  it.each([
    ['a link', text('https://thing.example/x'), { found: 'link' }],
    ['another scheme', text('WIFI:T:WPA;S:x;;'), { found: 'link' }],
    ['a newer kind', Uint8Array.of(0x84, 3, 0x41, 0, 0x41, 0, 0xf6), { found: 'newer', version: 3 }],
    ['a newer kind in the form of today', label(3), { found: 'newer', version: 3 }],
    ['digits', text('4006381333931'), { found: 'other' }],
    ['nothing', new Uint8Array(), { found: 'other' }],
    ['a label cut short', label().slice(0, 35), { found: 'other' }],
    ['a label with more behind it', Uint8Array.of(...label(), 0), { found: 'other' }],
    ['a case id of another length', ((bytes) => { bytes[19] = 0x4f; return bytes; })(label()), { found: 'other' }],
    ['a device id that is text', ((bytes) => { bytes[2] = 0x70; return bytes; })(label()), { found: 'other' }],
  ])('takes_%s_for_what_it_is', (_, bytes, expected) => {
    expect(readLabel(bytes)).toEqual(expected);
  });
});

describe('typed numbers', () => {
  const whole = '8f2c41d0aabbccddeeff001122334455';

  it.each([
    ['as_printed', '8f2c 41d0 aabb ccdd eeff 0011 2233 4455'],
    ['with_hyphens', '8F2C41D0-AABB-CCDD-EEFF-001122334455'],
    ['bare', whole],
  ])('takes_them_%s', (_, typed) => {
    expect(readTyped(typed, 'Case string')).toEqual({ digits: whole, ok: true, hint: 'Case string: 32 of 32 characters' });
  });

  it.each([
    ['', ''],
    ['8f2c', 'Case string: 4 of 32 characters'],
    [whole.slice(1), 'Case string: 31 of 32 characters'],
    [`${whole}a`, 'Case string: 33 of 32 characters'],
    ['8f2c 41d0 oabb', "Character 9 is 'o'; only 0-9 and a-f occur. Did you mean 0?"],
    ['8f2c l', "Character 5 is 'l'; only 0-9 and a-f occur. Did you mean 1?"],
    ['x', "Character 1 is 'x'; only 0-9 and a-f occur."],
    ['8f2c 41d0 aaS', "Character 11 is 's'; only 0-9 and a-f occur. Did you mean 5?"],
  ])('says_of_%s_what_is_missing', (typed, hint) => {
    const read = readTyped(typed, 'Case string');
    expect(read.ok).toBe(false);
    expect(read.hint).toBe(hint);
  });

  it('gives_the_id_its_hyphens', () => {
    expect(uuidFromDigits(whole)).toBe('8f2c41d0-aabb-ccdd-eeff-001122334455');
  });
});

describe('a missing camera', () => {
  it.each([
    ['NotAllowedError', 'denied'], ['SecurityError', 'denied'], ['NotFoundError', 'none'], ['OverconstrainedError', 'none'], ['NotReadableError', 'busy'], ['AbortError', 'busy'],
  ])('knows_%s', (name, expected) => {
    expect(whyNoCamera(new DOMException('', name))).toBe(expected);
  });
});

describe('labels of smart devices', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('a code is read as people type it', () => {
    for (const typed of ['0123-45YZ-0ZHG-P', '0123 45yz 0zhg p', 'oi23-45yz-ozhg-p', '0l2345yz0zhgp']) {
      expect(readCode(typed), typed).toMatchObject({ ok: true, code: '0123-45YZ-0ZHG-P' });
    }
  });

  it('any one wrong character is noticed', () => {
    const code = '777777777777G';
    expect(readCode(code).ok).toBe(true);
    for (let at = 0; at < code.length; at += 1) {
      for (const other of '0123456789ABCDEFGHJKMNPQRSTVWXYZ') {
        if (other !== code[at]) expect(readCode(code.slice(0, at) + other + code.slice(at + 1)).ok).toBe(false);
      }
    }
    expect(readCode('7777-U').hint).toContain("'U'");
    expect(readCode('7777').hint).toBe('Code: 4 of 13 characters');
    expect(readCode('').hint).toBe('');
  });

  it('the text of its code is a serial and a code', () => {
    expect(readSmartLabel(bytes('OSAP1:TS:1:777777777777G'))).toEqual({ found: 'label', serial: 'TS:1', code: '7777-7777-7777-G' });
    for (const slip of ['OSAP1:TS:7777777777778', 'OSAP1::777777777777G', 'OSAP1:', 'OSAP1:a b:777777777777G']) expect(readSmartLabel(bytes(slip)).found, slip).toBe('slip');
    for (const other of ['', 'OSAP2:TS:777777777777G', 'https://example.org']) expect(readSmartLabel(bytes(other)).found).toBe('other');
  });
});
