// Operations and results of the audit log, as people read them.

const OPERATIONS: Readonly<Record<string, string>> = {
  'account.activate': 'First administrator activated',
  'account.add': 'Account added',
  'account.duties': 'Duties changed',
  'account.lock': 'Account locked',
  'account.offer': 'Link for an administrator made',
  'account.unlock': 'Account unlocked',
  'account.remove': 'Account removed',
  'account.password': 'Password changed',
  'account.sign-out': 'Sessions ended',
  'audit.off': 'Audit log switched off',
  'audit.on': 'Audit log switched on',
  'client.add': 'MQTT client added',
  'client.certificate': 'Certificates of an MQTT client set',
  'client.certificate-remove': 'Certificates of an MQTT client taken back',
  'client.key': 'Key of a client for CoAP drawn',
  'client.key-remove': 'Key of a client for CoAP taken back',
  'client.login': 'MQTT client signed in',
  'client.password': 'Password of an MQTT client set',
  'client.remove': 'MQTT client removed',
  'device.admit': 'Smart device put on record',
  'device.block': 'Smart device blocked',
  'device.bootstrap': 'Told to bootstrap',
  'device.channels': 'Channels read',
  'device.close-channel': 'Channel closed',
  'device.code': 'Code of a smart device replaced',
  'device.code-burned': 'Code shown in the old protocol: it counts no more',
  'device.compat-off': 'Old protocol switched off for a device',
  'device.compat-on': 'Old protocol switched on for a device',
  'device.delete-channel': 'Channel deleted',
  'device.delete-key': 'Key deleted',
  'device.dismiss': 'Record of a smart device removed',
  'device.enrolled': 'Smart device enrolled with its code',
  'device.floor': 'Weakest protocol of a smart device set',
  'device.generate-key': 'Key made by the device',
  'device.goodbye': 'Said goodbye',
  'device.info': 'Information read',
  'device.keys': 'Keys read',
  'device.lost': 'Stopped answering',
  'device.open-channel': 'Channel opened',
  'device.ping': 'Pinged',
  'device.presence': 'Reported in service',
  'device.psk': 'Key of a smart device replaced',
  'device.put-channel': 'Channel defined',
  'device.put-key': 'Key given',
  'device.reboot': 'Told to reboot',
  'device.shutdown': 'Told to shut down',
  'device.thing': 'Smart device linked to its thing',
  'device.unblock': 'Smart device let in again',
  'device.window-close': 'Window for the code closed',
  'device.window-open': 'Window for the code opened',
  'files.bring': 'File brought',
  'files.lend': 'File lent out',
  'files.offer': 'Place for a file offered',
  'files.remove': 'File removed',
  'grant.add': 'Use of a thing granted',
  'grant.revoke': 'Grant taken back',
  'lbs.compat-off': 'Listener of the old protocol switched off',
  'lbs.compat-on': 'Listener of the old protocol switched on',
  'network.apply': 'Network applied',
  'owner.accept': 'Transfer to us expected',
  'owner.bootstrap': 'Bootstrap image built',
  'owner.claim': 'Claimed',
  'owner.configure': 'Configuration fetched',
  'owner.decline': 'Transfer no longer expected',
  'owner.fetch': 'Configuration asked for again',
  'owner.gone': 'No longer ours',
  'owner.register': 'Registered here',
  'owner.release': 'Released to nobody',
  'owner.replace': 'Replaced',
  'owner.takes': 'Which transfers are taken was set',
  'owner.transfer': 'Transferred',
  'risk.accept': 'Risk accepted',
  'settings.set': 'Settings changed',
  'things.add': 'Thing added',
  'things.adopt': 'Thing made of a sub-device',
  'things.call': 'Action invoked',
  'things.decline': 'Sub-device refused',
  'things.mark': 'Thing marked: its device speaks the old protocol',
  'things.remove': 'Thing removed',
  'things.replace': 'Model of a thing replaced',
  'things.unmark': 'Mark of the old protocol taken off a thing',
  'things.withdraw': 'Action taken out of the queue',
  'things.write': 'Another value of a property wanted',
  login: 'Sign-in',
  logout: 'Sign-out',
};

/** What an operation is called; one nobody named keeps its id. */
export function operationWords(operation: string): string {
  return OPERATIONS[operation] ?? operation;
}

/** The parts of a device's life for the filter of its timeline. */
export const TIMELINE_PARTS = ['Ownership', 'Keys', 'Channels', 'Presence', 'Other'] as const;

export type TimelinePart = (typeof TIMELINE_PARTS)[number];

/** Which part an operation belongs to. */
export function timelinePart(operation: string): TimelinePart {
  if (/key|rsa|certificate/.test(operation)) return 'Keys';
  if (/channel|network/.test(operation)) return 'Channels';
  if (/^owner\.|^device\.bootstrap$/.test(operation)) return 'Ownership';
  if (/presence|goodbye|lost|ping|info|reboot|shutdown/.test(operation)) return 'Presence';
  return 'Other';
}
