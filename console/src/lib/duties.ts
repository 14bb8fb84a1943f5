// Who may do what, as the server decides it; the page uses it only to leave out what would be refused.

/** What a person may do, as far as pages and buttons go. */
export interface May {
  /** Sees devices. */
  readonly see: boolean;
  readonly claim: boolean;
  /** Changes what he owns: bootstrap, transfer, release, accept; sees keys, channels, timelines. */
  readonly own: boolean;
  readonly audit: boolean;
  readonly risks: boolean;
  readonly listeners: boolean;
  readonly people: boolean;
}

/** The duties an administrator can give, with what they let one do. */
export const DUTIES = [
  { name: 'owner', words: 'Owner: claims, watches and gives up devices' },
  { name: 'installer', words: 'Installer: claims devices and sees them' },
  { name: 'auditor', words: 'Auditor: reads the audit log, risks and listeners' },
] as const;

/** What this person may do. */
export function may(who: { role: string; duties: readonly string[] } | null): May {
  const administrator = who?.role === 'administrator';
  const has = (duty: string): boolean => administrator || (who?.duties.includes(duty) ?? false);
  return {
    see: has('owner') || has('installer') || has('auditor'),
    claim: has('owner') || has('installer'),
    own: has('owner'),
    audit: has('auditor'),
    risks: has('auditor'),
    listeners: has('auditor'),
    people: administrator,
  };
}
