// What the platform API says, as types. Times are unix milliseconds.
import type { Json } from '../td/types';

/** A signed-in person. */
export interface Session {
  account: string;
  role: 'administrator' | 'user';
  duties: string[];
  token: string;
  idle_minutes: number;
  /** When it ends if nothing happens. */
  ends_unix_millis: number;
}

/** What a device says of itself. */
export interface DeviceInfo {
  device_id: string;
  device_mac_address: string;
  device_manufacturer: string;
  device_product_code: string;
  device_serial_number: string;
  device_build_date: string;
  software_manufacturer: string;
  software_product_code: string;
  software_version: string;
}

/** A device as its owner sees it. */
export interface Device {
  id: string;
  status: number;
  description: string;
  since_unix_millis: number;
  registrant: string;
  kind: string | null;
  owner_sequence_number: number | null;
  due: 'announce' | 'configure' | 'upload' | 'transfer' | 'release' | null;
  image_created_unix_millis: number | null;
  parameter_choice: string | null;
  info: DeviceInfo | null;
  goodbye: number | null;
  seen_unix_millis: number | null;
  replaced_by: string | null;
  replaces: string | null;
}

/** One line of the audit log. */
export interface AuditEntry {
  cursor: string;
  unix_millis: number;
  role: string;
  actor: string;
  address?: string | null;
  operation: string;
  device: string | null;
  result: string;
  correlation: string;
}

export interface DeviceKey {
  id: string;
  purpose: string;
  class: number | null;
  kind: string;
  fingerprint: string | null;
  made_unix_millis: number | null;
  ends_unix_millis: number | null;
  signed_by: string | null;
  secret: boolean;
}

export interface Channel {
  number: number | null;
  peer: string;
  local_key: string | null;
  peer_key: string | null;
  state: string;
  since_unix_millis: number | null;
  kind: string | null;
  wanted: boolean;
  /** What the other side may do; null while nobody has said. */
  privileges: Readonly<Record<string, boolean>> | null;
}

/** A link for one more administrator. */
export interface Invitation {
  token: string;
  until_unix_millis: number;
}

export interface Offer {
  device: string;
  from: string | null;
  since_unix_millis: number;
}

export interface Account {
  name: string;
  role: 'administrator' | 'user';
  duties: string[];
  made_unix_millis: number;
  /** By an administrator, until one unlocks it. */
  locked: boolean;
  /** After too many tries; ends by itself. */
  locked_until_unix_millis: number | null;
  sessions: number;
}

export interface AccountSession {
  began_unix_millis: number;
  seen_unix_millis: number;
  address: string;
}

export interface Settings {
  idle_minutes: number;
  lock_failures: number;
  lock_minutes: number;
  audit_mode: 'ring' | 'stop-warn';
  audit_limit_entries: number;
  allowed_addresses: string[];
  audit_on: boolean;
}

export interface Risk {
  id: string;
  level: 'act' | 'soon' | 'know';
  code: string;
  since_unix_millis: number;
  device: string | null;
  who: string | null;
  detail: string;
  accepted: { by: string; until_unix_millis: number; reason: string } | null;
}

export interface Listener {
  name: string;
  /** Nothing when it is off. */
  address: string | null;
  on: boolean;
}

/** A smart device in the directory. */
export interface ThingSummary {
  id: string;
  title: string;
  binding: 'osap' | 'mqtt' | 'child';
  /** The serial or name of its device; the owner's alone. */
  device: string | null;
  /** The gateway's thing that a sub-device is behind; the owner's alone. */
  hub: string | null;
  /** Let in by the old, weak protocol. */
  compat: boolean;
  created_unix_millis: number;
  online_since_unix_millis: number | null;
  properties: string[];
  actions: string[];
  events: string[];
}

/** What is wanted of a property. */
export interface DesiredValue {
  value: Json;
  version: number;
  state: 'wanted' | 'taken' | 'refused' | 'withdrawn';
  code: number | null;
  message: string | null;
  asked_unix_millis: number;
  settled_unix_millis: number | null;
}

/** What is known of a property. */
export interface Observation {
  /** Absent until it was reported. */
  value?: Json;
  at_unix_millis: number | null;
  received_unix_millis: number | null;
  version: number;
  desired: DesiredValue | null;
}

/** What a property was once. */
export interface Sample {
  value: Json;
  at_unix_millis: number;
  received_unix_millis: number;
  /** The number of the report. */
  version: number;
}

/** A call of a device and what became of it. */
export interface ThingOperation {
  number: number;
  action: string;
  input: Json;
  state: 'queued' | 'sent' | 'done' | 'refused' | 'no-answer' | 'withdrawn';
  output?: Json;
  code: number | null;
  message: string | null;
  was_sent: boolean;
  asked_unix_millis: number;
  deadline_unix_millis: number;
  ended_unix_millis: number | null;
  href: string;
}

/** Something that a device told. */
export interface ThingEvent {
  number: number;
  id: string;
  name: string;
  data: Json;
  at_unix_millis: number;
  received_unix_millis: number;
  /** How many the device had to drop before it. */
  lost_before: number;
}

/** What the load balancer has on record of a smart device. */
export interface DeviceRecord {
  serial: string;
  product_key: boolean;
  /** What it may prove itself with now. */
  kinds: ('code' | 'psk' | 'key')[];
  has_ticket: boolean;
  code_burned: boolean;
  window_until_unix_millis: number | null;
  blocked: boolean;
  /** The weakest protocol type that is run with it. */
  min_type: number;
  compat: boolean;
  enrolled: boolean;
  devid: string | null;
  created_unix_millis: number;
  admitted_unix_millis: number | null;
}

/** A thing model that comes with the program. */
export interface ShippedModel {
  name: string;
  model: { title?: string };
}

/** A sub-device behind a gateway. */
export interface SubDevice {
  serial: string;
  state: 'waiting' | 'declined' | 'adopted';
  thing: string | null;
  told: boolean;
  connected: boolean;
  since_unix_millis: number | null;
}

/** A file of a smart device. */
export interface ThingFile {
  id: string;
  name: string;
  size: number;
  sha256: string;
  made_unix_millis: number;
  /** Null while it is still to come. */
  arrived_unix_millis: number | null;
}

/** A token for one file. */
export interface FileToken {
  file: string;
  token: string;
  until_unix_millis: number;
}

/** A program that speaks MQTT, and with a key CoAP. */
export interface MqttClient {
  name: string;
  namespace: string;
  made_unix_millis: number;
  has_key: boolean;
  has_certificate: boolean;
  for_owner: boolean;
}

/** What a client proves over CoAP; told once. */
export interface ClientKey {
  name: string;
  key: string;
}

/** A rule that lets somebody use a smart device. */
export interface Grant {
  id: string;
  party: string;
  thing: string;
  acts: string[];
  /** All when null. */
  names: string[] | null;
  from_unix_millis: number | null;
  until_unix_millis: number | null;
  made_unix_millis: number;
  made_by: string;
}

export interface AuditPage {
  entries: AuditEntry[];
  next: string | null;
  kept?: number;
  limit?: number;
}
