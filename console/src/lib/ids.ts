// Ids as people read and compare them.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether this is the text of a UUID as the server writes it. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The first eight characters: what lists show. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** The text of sixteen bytes. */
export function uuidText(bytes: Uint8Array): string {
  const hex = hexText(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Lower-case hexadecimal. */
export function hexText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** `8f2c 41d0 …`: groups of four, for reading aloud and comparing. */
export function groups(text: string, size = 4): string {
  return text.match(new RegExp(`.{1,${size}}`, 'g'))?.join(' ') ?? '';
}

/** Base64 of a few bytes. */
export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** A fresh key that makes a repeated request the same request. */
export function requestId(): string {
  return crypto.randomUUID();
}
