// The content of files: brought and fetched in pieces with a token of their own, so that a bar can show how far it is.

/** What the server takes at once. */
const PIECE_SIZE = 60 * 1024;
/** The largest file there is. */
export const FILE_SIZE_MAX = 256 * 1024 * 1024;
const PAUSE_MILLIS = 500;
const TRIES = 5;

/** How it ended; `code` is a failure's. */
export type Carried<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: string };

/** SHA-256 of a file, in hexadecimal text. */
export async function digestOf(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function codeOf(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as { code?: unknown };
    return typeof problem.code === 'string' ? problem.code : 'internal';
  } catch {
    return response.status === 404 ? 'not-here' : 'internal';
  }
}

const path = (id: string): string => `/v1/files/${encodeURIComponent(id)}`;
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));

/** Brings a file; `told` hears how many bytes have arrived. Goes on after a break where the server is. */
export async function bringFile(id: string, token: string, file: Blob, told: (arrived: number) => void, signal: AbortSignal): Promise<Carried<null>> {
  let at = 0;
  let failures = 0;
  for (;;) {
    let response: Response;
    try {
      response = await fetch(path(id), { method: 'PATCH', body: file.slice(at, at + PIECE_SIZE), headers: { authorization: `Bearer ${token}`, 'upload-offset': at.toString(), 'content-type': 'application/octet-stream' }, credentials: 'omit', cache: 'no-store', signal });
    } catch {
      failures += 1;
      if (signal.aborted || failures >= TRIES) return { ok: false, code: signal.aborted ? 'stopped' : 'cannot-reach' };
      await pause();
      continue;
    }
    const next = Number(response.headers.get('upload-offset'));
    if (response.status === 200) return told(file.size), { ok: true, value: null };
    if ((response.status === 204 && next > at) || (response.status === 409 && next !== at && response.headers.has('upload-offset'))) {
      [at, failures] = [next, 0];
      told(at);
    } else if (response.status === 503 && failures < TRIES) {
      failures += 1;
      await pause();
    } else {
      return { ok: false, code: response.status === 204 ? 'file-size-refused' : await codeOf(response) };
    }
  }
}

/** Fetches a file whole; `told` hears how many bytes have come. */
export async function fetchFile(id: string, token: string, told: (come: number) => void, signal: AbortSignal): Promise<Carried<Blob>> {
  try {
    const response = await fetch(path(id), { headers: { authorization: `Bearer ${token}` }, credentials: 'omit', cache: 'no-store', signal });
    if (!response.ok || response.body === null) return { ok: false, code: await codeOf(response) };
    const reader = response.body.getReader();
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let come = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      come += value.length;
      told(come);
    }
    const whole = Number(response.headers.get('content-length'));
    if (come !== whole) return { ok: false, code: 'cannot-reach' };
    return { ok: true, value: new Blob(pieces) };
  } catch {
    return { ok: false, code: signal.aborted ? 'stopped' : 'cannot-reach' };
  }
}

/** A size as people read it. */
export function sizeWords(bytes: number): string {
  const steps = ['B', 'KiB', 'MiB', 'GiB'];
  const step = bytes < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** step).toLocaleString('en', { maximumFractionDigits: step === 0 ? 0 : 1 })}\u202f${steps[step] ?? ''}`;
}
