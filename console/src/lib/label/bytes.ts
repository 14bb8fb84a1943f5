// The bytes of a label: CBOR `[1, device UUID, case id]`, 36 of them. Nothing read here is ever sent by itself.
// Source: aSSURE 6.2.4, 6.2.5.
import { hexText, uuidText } from '../ids';

/** Length of a label in bytes. */
export const LABEL_LENGTH = 36;

/** What was found in a code. */
export type Reading =
  | { readonly found: 'label'; readonly device: string; readonly caseString: string; readonly bytes: Uint8Array }
  | { readonly found: 'link' }
  | { readonly found: 'newer'; readonly version: number }
  | { readonly found: 'other' };

/**
 * Reads the bytes of a code.
 *
 * Shape: `83 01 50 <16 bytes of the UUID> 50 <16 bytes of the case id>`. Another version number in the same
 * form is a newer label; a text with a scheme is a link; all else is some other code.
 */
export function readLabel(bytes: Uint8Array): Reading {
  if (isLink(bytes)) return { found: 'link' };
  const [array, version] = [bytes[0], bytes[1]];
  if (array === undefined || version === undefined || array < 0x82 || array > 0x97) return { found: 'other' };
  if (version > 0x17) return { found: 'other' };
  if (version !== 1) return { found: 'newer', version };
  if (array !== 0x83 || bytes.length !== LABEL_LENGTH || bytes[2] !== 0x50 || bytes[19] !== 0x50) return { found: 'other' };
  return {
    found: 'label',
    device: uuidText(bytes.subarray(3, 19)),
    caseString: hexText(bytes.subarray(20, 36)),
    bytes: bytes.slice(),
  };
}

function isLink(bytes: Uint8Array): boolean {
  const start = String.fromCharCode(...bytes.subarray(0, 12)).toLowerCase();
  return /^(https?:\/\/|www\.|[a-z][a-z0-9+.-]{1,9}:)/.test(start);
}
