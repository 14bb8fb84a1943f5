// What can be found in the audit log.
import type { AuditEntry } from '../api/types';
import type { Subject } from './language';

/** The fields of the audit list. */
export const AUDIT_FIELDS = ['who', 'op', 'result', 'device', 'address', 'role', 'since'] as const;

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30m`, `1h`, `7d` in milliseconds; null when it is none of these. */
export function sinceMillis(value: string): number | null {
  const found = /^(\d{1,4})([mhd])$/.exec(value);
  return found === null ? null : Number(found[1]) * (UNITS[found[2] ?? ''] ?? 0);
}

/** Results in words that mean neither "done" nor a refusal. */
const ON_ITS_WAY = ['done', 'ordered', 'idle'];

/** Results that mean "not done": the code of a refusal is lower-case words; an id or a number says what was made. */
export function wasRefused(result: string): boolean {
  return /^[a-z]+(-[a-z]+)*$/.test(result) && !ON_ITS_WAY.includes(result);
}

/** An entry as the find language sees it. */
export function auditSubject(entry: AuditEntry, now: number): Subject {
  return {
    text: [entry.actor, entry.operation, entry.result, entry.device, entry.address, entry.role, entry.correlation]
      .filter((word) => word !== undefined && word !== null)
      .join(' ')
      .toLowerCase(),
    field: (name, value) => {
      switch (name) {
        case 'who':
          return entry.actor.toLowerCase().includes(value);
        case 'op':
          return entry.operation.toLowerCase().startsWith(value);
        case 'result':
          return entry.result.toLowerCase().startsWith(value) || (value === 'failed' && wasRefused(entry.result));
        case 'device':
          return entry.device?.startsWith(value) ?? false;
        case 'address':
          return entry.address?.startsWith(value) ?? false;
        case 'role':
          return entry.role.toLowerCase().startsWith(value);
        case 'since': {
          const millis = sinceMillis(value);
          return millis === null ? undefined : entry.unix_millis >= now - millis;
        }
        default:
          return undefined;
      }
    },
  };
}
