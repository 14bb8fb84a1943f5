// From the answer of a call to a value or a failure: pure, so that every status is tested.
import type { Operation } from './operations';
import { CATALOGUE, problem, type Problem } from './problem';

/** What came back. */
export interface Raw {
  readonly status: number;
  /** The parsed JSON body, or null when there is none. */
  readonly body: unknown;
  /** The value of `Retry-After`, in seconds. */
  readonly retryAfter: string | null;
}

/** Which code an answer without words stands for: aSSURE's fixed answers have an empty body. */
function codeOf(operation: Operation, status: number): string {
  switch (status) {
    case 401:
      if (operation === 'owner.show') return 'not-here';
      return operation === 'login' ? 'sign-in-failed' : 'signed-out';
    case 403:
      if (operation === 'owner.claim') return 'claim-refused';
      if (operation === 'owner.bootstrap') return 'image-not-built';
      return operation === 'owner.transfer' || operation === 'owner.release' ? 'transfer-refused' : 'refused';
    case 404:
      return 'not-here';
    case 409:
      if (operation === 'owner.claim' || operation === 'owner.accept') return 'already-yours';
      if (operation === 'owner.bootstrap') return 'image-not-built';
      if (operation === 'account.add') return 'account-exists';
      if (operation === 'account.remove') return 'last-administrator';
      return 'leaving-already';
    case 410:
      return 'activation-ended';
    case 422:
      if (operation === 'settings.set') return 'setting-refused';
      return operation.startsWith('account.') ? 'password-too-simple' : 'request-unreadable';
    case 429:
      return 'too-many-tries';
    case 503:
      return operation === 'owner.claim' ? 'claim-limit' : 'try-later';
    default:
      return status >= 500 ? 'internal' : 'request-unreadable';
  }
}

/** The failure in an answer that is none of 2xx. */
export function failure(operation: Operation, raw: Raw, now: number): Problem {
  const told = typeof raw.body === 'object' && raw.body !== null ? (raw.body as Record<string, unknown>) : {};
  const text = (key: string): string | null => (typeof told[key] === 'string' && told[key] !== '' ? told[key] : null);
  const code = text('code') ?? codeOf(operation, raw.status);
  const seconds = raw.retryAfter === null ? Number.NaN : Number(raw.retryAfter);
  const known = CATALOGUE[code];
  const attempts = Array.isArray(told['try']) ? told['try'].filter((line): line is string => typeof line === 'string') : [];
  return problem(code, {
    title: known?.title ?? text('title') ?? `The server answered ${raw.status}`,
    why: text('detail') ?? known?.why ?? '',
    attempts: attempts.length > 0 ? attempts : (known?.attempts ?? []),
    request: text('request'),
    retryAt: Number.isFinite(seconds) ? now + seconds * 1000 : null,
  });
}
