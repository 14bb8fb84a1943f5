// Every operation the console uses: one id shared by button, API, command line and audit log.
import type { Json, ThingDescription } from '../td/types';
import type { Account, AccountSession, AuditPage, Channel, ClientKey, Device, DeviceKey, DeviceRecord, DesiredValue, FileToken, Grant, Invitation, Listener, MqttClient, Observation, Offer, Risk, Sample, Session, Settings, ShippedModel, SubDevice, ThingEvent, ThingFile, ThingOperation, ThingSummary } from './types';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** The answers, by operation id. */
export interface Answers {
  'account.activate': Session;
  login: Session;
  whoami: Session;
  logout: null;
  'account.offer': Invitation;
  'account.password': null;
  'account.list': { accounts: Account[] };
  'account.add': null;
  'account.duties': null;
  'account.lock': null;
  'account.unlock': null;
  'account.remove': null;
  'account.sessions': { sessions: AccountSession[] };
  'account.sign-out': null;
  'settings.show': Settings;
  'settings.set': null;
  'owner.id': { id: string };
  'owner.list': { devices: Device[]; next: string | null };
  'owner.show': Device;
  'owner.claim': { device: string | Device };
  'owner.timeline': AuditPage;
  'owner.keys': { keys: DeviceKey[] };
  'owner.channels': { channels: Channel[] };
  'owner.bootstrap': { created_at_unix_millis: number };
  'owner.fetch': null;
  'owner.transfer': null;
  'owner.release': null;
  'owner.accept': null;
  'owner.decline': null;
  'owner.offers': { offers: Offer[] };
  'audit.list': AuditPage;
  'risk.list': { risks: Risk[] };
  'risk.accept': null;
  listeners: { listeners: Listener[] };
  'things.list': { things: ThingSummary[]; next: string | null };
  'things.show': ThingDescription;
  'things.read-all': Record<string, Observation>;
  'things.read': Observation;
  'things.history': { samples: Sample[]; gap: number };
  'things.write': DesiredValue | null;
  'things.call': Json;
  'things.operation': ThingOperation;
  'things.withdraw': ThingOperation;
  'things.events': { events: ThingEvent[]; next: number | null; gap: number };
  'things.remove': null;
  'things.add': { id: string };
  'things.models': { realm: string | null; models: ShippedModel[] };
  'things.record': DeviceRecord;
  'things.enrol': DeviceRecord;
  'things.window': DeviceRecord;
  'things.close-window': DeviceRecord;
  'things.allow-compat': DeviceRecord;
  'things.forbid-compat': DeviceRecord;
  'things.block': DeviceRecord;
  'things.unblock': DeviceRecord;
  'things.code': DeviceRecord;
  'things.children': { children: SubDevice[] };
  'things.adopt': { id: string };
  'things.decline': null;
  'files.list': { files: ThingFile[]; next: string | null };
  'files.offer': FileToken;
  'files.lend': FileToken;
  'files.remove': null;
  'client.list': { clients: MqttClient[] };
  'client.add': null;
  'client.password': null;
  'client.key': ClientKey;
  'client.key-remove': null;
  'client.certificate': null;
  'client.certificate-remove': null;
  'client.remove': null;
  'grant.list': { grants: Grant[]; next: string | null };
  'grant.add': Grant;
  'grant.revoke': null;
}

/** An operation id. */
export type Operation = keyof Answers;

/** How an operation is called; `{id}` in a path is filled from the parameters. */
export const OPERATIONS: Readonly<Record<Operation, readonly [Method, string]>> = {
  'account.activate': ['POST', '/v1/activation'],
  login: ['POST', '/v1/session'],
  whoami: ['GET', '/v1/session'],
  logout: ['DELETE', '/v1/session'],
  'account.offer': ['POST', '/v1/activation/offer'],
  'account.password': ['PUT', '/v1/session/password'],
  'account.list': ['GET', '/v1/accounts'],
  'account.add': ['POST', '/v1/accounts'],
  'account.duties': ['PUT', '/v1/accounts/{id}/duties'],
  'account.lock': ['PUT', '/v1/accounts/{id}/lock'],
  'account.unlock': ['DELETE', '/v1/accounts/{id}/lock'],
  'account.remove': ['DELETE', '/v1/accounts/{id}'],
  'account.sessions': ['GET', '/v1/accounts/{id}/sessions'],
  'account.sign-out': ['DELETE', '/v1/accounts/{id}/sessions'],
  'settings.show': ['GET', '/v1/settings'],
  'settings.set': ['PUT', '/v1/settings'],
  'owner.id': ['GET', '/v1/managementsystem'],
  'owner.list': ['GET', '/v1/devices'],
  'owner.show': ['GET', '/v1/devices/{id}'],
  'owner.claim': ['POST', '/v1/claims'],
  'owner.timeline': ['GET', '/v1/devices/{id}/timeline'],
  'owner.keys': ['GET', '/v1/devices/{id}/keys'],
  'owner.channels': ['GET', '/v1/devices/{id}/channels'],
  'owner.bootstrap': ['POST', '/v1/devices/{id}/bootstrap'],
  'owner.fetch': ['POST', '/v1/devices/{id}/configuration'],
  'owner.transfer': ['POST', '/v1/devices/{id}/transfer'],
  'owner.release': ['POST', '/v1/devices/{id}/release'],
  'owner.accept': ['POST', '/v1/devices/{id}/accept'],
  'owner.decline': ['DELETE', '/v1/devices/{id}/accept'],
  'owner.offers': ['GET', '/v1/offers'],
  'audit.list': ['GET', '/v1/audit'],
  'risk.list': ['GET', '/v1/risks'],
  'risk.accept': ['PUT', '/v1/risks/{id}/acceptance'],
  listeners: ['GET', '/v1/listeners'],
  'things.list': ['GET', '/things'],
  'things.show': ['GET', '/things/{id}'],
  'things.read-all': ['GET', '/things/{id}/properties'],
  'things.read': ['GET', '/things/{id}/properties/{name}'],
  'things.history': ['GET', '/things/{id}/properties/{name}/history'],
  'things.write': ['PUT', '/things/{id}/properties/{name}'],
  'things.call': ['POST', '/things/{id}/actions/{name}'],
  'things.operation': ['GET', '/things/{id}/actions/{name}/{number}'],
  'things.withdraw': ['DELETE', '/things/{id}/actions/{name}/{number}'],
  'things.events': ['GET', '/things/{id}/events'],
  'things.remove': ['DELETE', '/things/{id}'],
  'things.add': ['POST', '/things'],
  'things.models': ['GET', '/v1/models'],
  'things.record': ['GET', '/things/{id}/record'],
  'things.enrol': ['POST', '/things/{id}/record'],
  'things.window': ['POST', '/things/{id}/record/window'],
  'things.close-window': ['DELETE', '/things/{id}/record/window'],
  'things.allow-compat': ['PUT', '/things/{id}/record/compat'],
  'things.forbid-compat': ['DELETE', '/things/{id}/record/compat'],
  'things.block': ['PUT', '/things/{id}/record/block'],
  'things.unblock': ['DELETE', '/things/{id}/record/block'],
  'things.code': ['PUT', '/things/{id}/record/code'],
  'things.children': ['GET', '/things/{id}/children'],
  'things.adopt': ['PUT', '/things/{id}/children/{serial}'],
  'things.decline': ['DELETE', '/things/{id}/children/{serial}'],
  'files.list': ['GET', '/things/{id}/files'],
  'files.offer': ['POST', '/things/{id}/files'],
  'files.lend': ['POST', '/things/{id}/files/{file}/token'],
  'files.remove': ['DELETE', '/things/{id}/files/{file}'],
  'client.list': ['GET', '/v1/clients'],
  'client.add': ['POST', '/v1/clients'],
  'client.password': ['PUT', '/v1/clients/{id}/password'],
  'client.key': ['PUT', '/v1/clients/{id}/key'],
  'client.key-remove': ['DELETE', '/v1/clients/{id}/key'],
  'client.certificate': ['PUT', '/v1/clients/{id}/certificate'],
  'client.certificate-remove': ['DELETE', '/v1/clients/{id}/certificate'],
  'client.remove': ['DELETE', '/v1/clients/{id}'],
  'grant.list': ['GET', '/v1/grants'],
  'grant.add': ['POST', '/v1/grants'],
  'grant.revoke': ['DELETE', '/v1/grants/{id}'],
};

/** Where the audit log is exported from; a plain link, so that the browser saves it. */
export const AUDIT_EXPORT = '/v1/audit/export';

/** The path and query of a call; `parts` fill `{name}` and `{number}`. */
export function address(operation: Operation, id?: string, query?: Readonly<Record<string, string | undefined>>, parts?: Readonly<Record<string, string>>): string {
  const filled = { ...parts, id: id ?? '' } as Readonly<Record<string, string>>;
  const path = OPERATIONS[operation][1].replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(filled[name] ?? ''));
  const words = Object.entries(query ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return words.length === 0 ? path : `${path}?${words.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')}`;
}
