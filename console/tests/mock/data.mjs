// Canned answers for tests of pages: made up, and never part of the program.
import { smart } from './things.mjs';

/** The clock of the canned world. */
export const NOW = Date.UTC(2026, 10, 22, 14, 3, 12);

const STATUS_TEXT = { 0: 'unknown', 1: 'registered', 2: 'owned', 3: 'configured', 4: 'waiting', 5: 'in service', 6: 'offline', 7: 'unreachable', 8: 'replaced', 9: 'released', 100: 'refused', 101: 'bootstrap failed', 102: 'channel failed' };

export const uuid = (number) => `${(0x8f2c41d0 + number * 0x1111).toString(16).padStart(8, '0')}-5a3b-4c1d-9e2f-${(0x1000000077aa + number).toString(16).padStart(12, '0')}`;

/** The label of the device that the tests claim: 36 bytes. */
export const LABEL_DEVICE = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0';
export const LABEL_CASE = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
export const LABEL_BYTES = Uint8Array.from(Buffer.from(`830150${LABEL_DEVICE.replaceAll('-', '')}50${LABEL_CASE}`, 'hex'));

export function device(number, status, changes = {}) {
  const model = ['P2', 'P2', 'V7 valve', 'H1 meter'][number % 4];
  const maker = ['Acme', 'Acme', 'Nordwerk', 'Acme'][number % 4];
  const known = ![0, 1, 2, 3, 4, 100].includes(status);
  return {
    id: uuid(number), status, description: STATUS_TEXT[status], since_unix_millis: NOW - number * 3_700_000 - 12_000, registrant: 'administrator',
    kind: ['ec', 'rsa', 'shared-secret'][number % 3], owner_sequence_number: status < 2 ? null : 1 + (number % 3), due: status === 2 ? 'configure' : null,
    image_created_unix_millis: status >= 4 && status !== 100 ? NOW - number * 3_700_000 - 60_000 : null, parameter_choice: null,
    info: known
      ? { device_id: uuid(number), device_mac_address: `02:00:5e:10:00:${number.toString(16).padStart(2, '0')}`, device_manufacturer: maker, device_product_code: model, device_serial_number: `S-${2600 + number}`, device_build_date: '2026-02-11', software_manufacturer: maker, software_product_code: 'fw-p', software_version: '1.4.2' }
      : null,
    goodbye: status === 6 ? 0 : null, seen_unix_millis: known ? NOW - number * 12_000 - 12_000 : null, replaced_by: status === 8 ? uuid(1) : null, replaces: null, ...changes,
  };
}

export function audit(number, operation, changes = {}) {
  return { cursor: `c${String(100000 - number)}`, unix_millis: NOW - number * 61_000, role: 'management', actor: ['administrator', 'birch', 'alder', 'device'][number % 4], address: number % 4 === 3 ? null : `10.0.0.${7 + (number % 3)}`, operation, device: uuid(1 + (number % 5)), result: 'done', correlation: `5f${String(number).padStart(6, '0')}`, ...changes };
}

/** A world with one of each. */
export function world() {
  return {
    now: () => Date.now(),
    signedIn: false,
    session: { account: 'administrator', role: 'administrator', duties: [], token: 'T0KEN', idle_minutes: 15, ends_unix_millis: Date.now() + 900_000 },
    activation: 'open',
    signInAnswer: null,
    claimAnswer: null,
    failures: {},
    /** Calls that are answered when a promise is kept. */
    held: {},
    devices: [5, 5, 5, 7, 6, 5, 4, 2, 3, 101, 102, 9, 8, 1, 0, 100, 5, 5].map((status, index) => device(index + 1, status)),
    audit: ['owner.claim', 'owner.configure', 'owner.bootstrap', 'device.presence', 'device.goodbye', 'owner.transfer', 'login', 'device.lost', 'owner.claim', 'device.put-channel', 'owner.fetch', 'settings.set'].map((operation, index) =>
      audit(index, operation, index === 0 ? { device: uuid(2), unix_millis: NOW - 7_520_000 } : index === 5 ? { result: 'refused' } : index === 6 ? { result: 'sign-in-failed', device: null } : {})),
    /** A day of presence of the second device: what its time line says besides. */
    presence: [[19, 'device.presence'], [11.5, 'device.goodbye'], [11.2, 'device.presence'], [3, 'device.lost'], [2.1, 'device.presence']].map(([hours, operation], index) =>
      audit(50 + index, operation, { device: uuid(2), unix_millis: NOW - hours * 3_600_000 })),
    /** Devices that only the server's search finds. */
    hidden: [],
    offers: [{ device: uuid(40), from: '5D11A0F37C20', since_unix_millis: NOW - 800_000 }],
    keys: [
      { id: '0101', purpose: 'Management channel', class: 2, kind: 'ec', fingerprint: '3fa29c01d47e5b6608be91f2a7c4d5e6f7089a1b2c3d4e5f60718293a4b5c691', made_unix_millis: NOW - 9_000_000, ends_unix_millis: NOW + 86_400_000 * 300, signed_by: 'Alder management', secret: false },
      { id: '0001', purpose: 'Bootstrap', class: 1, kind: 'shared-secret', fingerprint: null, made_unix_millis: null, ends_unix_millis: null, signed_by: null, secret: true },
    ],
    channels: [
      { number: 1, peer: 'management system', local_key: '0101', peer_key: '0201', state: 'open', since_unix_millis: NOW - 700_000, kind: 'EC P-256', wanted: false, privileges: { channel_management: true, system_management: true, key_management: false } },
      { number: null, peer: uuid(2), local_key: '0102', peer_key: '0202', state: 'sent', since_unix_millis: null, kind: 'shared secret', wanted: true, privileges: null },
    ],
    accounts: [
      { name: 'administrator', role: 'administrator', duties: [], made_unix_millis: NOW - 86_400_000 * 3, locked: false, locked_until_unix_millis: null, sessions: 1 },
      { name: 'ines', role: 'user', duties: ['installer'], made_unix_millis: NOW - 86_400_000, locked: false, locked_until_unix_millis: null, sessions: 2 },
      { name: 'omar', role: 'user', duties: ['owner', 'auditor'], made_unix_millis: NOW - 86_400_000 * 2, locked: false, locked_until_unix_millis: NOW + 1_500_000, sessions: 0 },
      { name: 'lena', role: 'user', duties: [], made_unix_millis: NOW - 86_400_000 * 4, locked: true, locked_until_unix_millis: null, sessions: 0 },
    ],
    sessions: [{ began_unix_millis: NOW - 3_600_000, seen_unix_millis: NOW - 20_000, address: '10.0.0.7' }, { began_unix_millis: NOW - 600_000, seen_unix_millis: NOW - 60_000, address: '10.0.0.8' }],
    settings: { idle_minutes: 15, lock_failures: 5, lock_minutes: 30, audit_mode: 'ring', audit_limit_entries: 100000, allowed_addresses: [], audit_on: true },
    risks: [
      { id: 'r2', level: 'soon', code: 'certificate-ends', since_unix_millis: NOW - 8_600_000, device: null, who: null, detail: 'The certificate of the console ends 4 Dec 2026 09:00, in 12 days.', accepted: null },
      { id: 'r1', level: 'act', code: 'one-administrator', since_unix_millis: NOW - 90_000_000, device: null, who: 'administrator', detail: 'There is one administrator only: without the password nobody gets in.', accepted: null },
      { id: 'r3', level: 'know', code: 'device-silent', since_unix_millis: NOW - 5_600_000, device: uuid(4), who: null, detail: 'Nordwerk V7 valve stopped answering without a goodbye.', accepted: { by: 'omar', until_unix_millis: NOW + 86_400_000 * 10, reason: 'Switched off for the winter.' } },
    ],
    listeners: [
      { name: 'console and platform API', address: '127.0.0.1:8443', on: true },
      { name: 'owner gateway', address: '127.0.0.1:8445', on: true },
      { name: 'management CoAPS', address: '127.0.0.1:5684', on: true },
      { name: 'OSAP compatibility', address: '0.0.0.0:5683', on: false },
    ],
    kept: 18204,
    ...smart(),
  };
}
