// What can be found of a device.
import type { Device } from '../api/types';
import { isOurs, needsAttention, STATUSES, statusWords } from '../status';
import type { Subject } from './language';

/** The fields of the device list. */
export const DEVICE_FIELDS = ['is', 'maker', 'model', 'kind', 'id', 'due', 'owner'] as const;

/** What a device is called until it says more of itself. */
export function deviceName(device: Device): string {
  const product = [device.info?.device_manufacturer, device.info?.device_product_code].filter((word) => word !== undefined && word !== '').join(' ');
  return product === '' ? `Device ${device.id.slice(0, 8)}` : product;
}

function isWord(device: Device, value: string): boolean {
  if (value === 'attention') return needsAttention(device.status);
  if (value === 'ours') return isOurs(device.status);
  const words = statusWords(device.status);
  return words.find === value || words.words.toLowerCase() === value || words.family === value;
}

/** A device as the find language sees it. */
export function deviceSubject(device: Device): Subject {
  const info = device.info;
  return {
    text: [device.id, deviceName(device), info?.device_serial_number, info?.software_version, statusWords(device.status).words, device.kind, device.registrant]
      .filter((word) => word !== undefined && word !== null)
      .join(' ')
      .toLowerCase(),
    field: (name, value) => {
      switch (name) {
        case 'is':
          return isWord(device, value);
        case 'maker':
          return (info?.device_manufacturer ?? '').toLowerCase().includes(value);
        case 'model':
          return (info?.device_product_code ?? '').toLowerCase().includes(value);
        case 'kind':
          return (device.kind ?? '').toLowerCase() === value;
        case 'id':
          return device.id.startsWith(value);
        case 'due':
          return device.due === value;
        case 'owner':
          return String(device.owner_sequence_number ?? '') === value;
        default:
          return undefined;
      }
    },
  };
}

/** Values to suggest for each field, from what is loaded. */
export function deviceSuggestions(devices: Iterable<Device>): Record<string, string[]> {
  const makers = new Set<string>();
  const models = new Set<string>();
  const kinds = new Set<string>();
  for (const device of devices) {
    if (device.info?.device_manufacturer) makers.add(device.info.device_manufacturer.toLowerCase());
    if (device.info?.device_product_code) models.add(device.info.device_product_code.toLowerCase());
    if (device.kind) kinds.add(device.kind);
  }
  return {
    is: [...STATUSES.map((status) => status.find), 'attention', 'ours'],
    maker: [...makers].sort(),
    model: [...models].sort(),
    kind: [...kinds].sort(),
    id: [],
    due: ['configure', 'upload', 'transfer', 'release'],
    owner: [],
  };
}
