// The one place that talks to the server.
import { failure } from './answer';
import { address, OPERATIONS, type Answers, type Operation } from './operations';
import { problem, type Problem } from './problem';

/** The end of a call. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T; readonly status: number }
  | { readonly ok: false; readonly problem: Problem; readonly status: number };

export interface Given {
  /** Fills `{id}` of the path. */
  readonly id?: string;
  /** Fills `{name}` and `{number}`. */
  readonly parts?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** A body that is certificates in PEM, in place of `body`. */
  readonly pem?: string;
  /** Made by the page, not by the person: does not count as activity. */
  readonly background?: boolean;
  readonly signal?: AbortSignal;
}

/** How long a call may take before its outcome counts as unknown. */
const PATIENCE_MILLIS = 20_000;

let token = '';
let onSignedOut: () => void = () => undefined;
let onAnswer: (renewed: boolean) => void = () => undefined;

/** The token of the session; every change of anything carries it. */
export function useToken(given: string): void {
  token = given;
}

/** Told when the server no longer knows the session, and of each answer (whether it renewed the idle time). */
export function listen(signedOut: () => void, answered: (renewed: boolean) => void): void {
  onSignedOut = signedOut;
  onAnswer = answered;
}

/** Makes a call. Never throws: a failure is an answer too. */
export async function call<O extends Operation>(operation: O, given: Given = {}): Promise<Outcome<Answers[O]>> {
  const [method] = OPERATIONS[operation];
  const writes = method !== 'GET';
  if (writes && !navigator.onLine) return { ok: false, problem: problem('not-sent'), status: 0 };
  const headers: Record<string, string> = { accept: 'application/json' };
  if (given.body !== undefined) headers['content-type'] = 'application/json';
  if (given.pem !== undefined) headers['content-type'] = 'application/x-pem-file';
  if (writes && token !== '') headers['x-thingstead-token'] = token;
  if (given.background === true) headers['x-thingstead-background'] = '1';
  const patience = AbortSignal.timeout(PATIENCE_MILLIS);
  try {
    const response = await fetch(address(operation, given.id, given.query, given.parts), {
      method,
      headers,
      body: given.pem ?? (given.body === undefined ? null : JSON.stringify(given.body)),
      signal: given.signal === undefined ? patience : AbortSignal.any([patience, given.signal]),
      credentials: 'same-origin',
      redirect: 'error',
      cache: 'no-store',
    });
    return await settle(operation, given, response);
  } catch {
    return { ok: false, problem: problem(writes ? 'outcome-unknown' : 'cannot-reach'), status: 0 };
  }
}

async function settle<O extends Operation>(operation: O, given: Given, response: Response): Promise<Outcome<Answers[O]>> {
  const text = await response.text();
  const body = parsed(text);
  if (response.ok) {
    onAnswer(given.background !== true);
    return { ok: true, value: body as Answers[O], status: response.status };
  }
  const found = failure(operation, { status: response.status, body, retryAfter: response.headers.get('retry-after') }, Date.now());
  if (operation !== 'whoami' && operation !== 'login' && (found.code === 'signed-out' || response.status === 401)) {
    await askWhetherSignedOut(found.code === 'signed-out');
  }
  return { ok: false, problem: found, status: response.status };
}

/** A 401 without words is also the answer about a device that is not ours: the session itself is asked. */
async function askWhetherSignedOut(sure: boolean): Promise<void> {
  if (!sure) {
    const session = await call('whoami', { background: true });
    if (session.ok || session.status !== 401) return;
  }
  onSignedOut();
}

function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
