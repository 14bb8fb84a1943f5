// What stands in the rail and in the bottom bar, by what the person may do.
import type { May } from '../lib/duties';

export interface Entry {
  readonly page: string;
  readonly href: string;
  readonly words: string;
}

/** The pages of a person, in order. A page one may not use is absent. */
export function entries(may: May): Entry[] {
  const all: [boolean, Entry][] = [
    [true, { page: 'today', href: '/ui/', words: 'Today' }],
    [may.see, { page: 'devices', href: '/ui/devices', words: 'Devices' }],
    [true, { page: 'things', href: '/ui/things', words: 'Smart devices' }],
    [may.claim, { page: 'claim', href: '/ui/claim', words: 'Claim' }],
    [may.risks, { page: 'risks', href: '/ui/check', words: 'Risks' }],
    [may.audit, { page: 'audit', href: '/ui/audit', words: 'Audit' }],
    [may.people, { page: 'system', href: '/ui/system', words: 'System' }],
    [!may.people && may.listeners, { page: 'system', href: '/ui/system/listeners', words: 'Listeners' }],
  ];
  return all.filter(([shown]) => shown).map(([, entry]) => entry);
}
