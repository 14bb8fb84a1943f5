// From a picture to the bytes of the code in it. Loaded only where a label is read.
import decodeQR, { type FinderPoints } from 'qr/decode.js';

/** A code that was found: its bytes, and its corners in the picture. */
export interface Found {
  readonly bytes: Uint8Array;
  readonly corners: readonly { readonly x: number; readonly y: number }[];
}

/**
 * Finds the first code of a picture. `effort` above 1 takes longer and sees more; a photo gets more than a frame.
 *
 * Bytes are taken as they stand in the code: a label is no text, and a text decoder would spoil it.
 */
export function findCode(image: ImageData, effort: number, millis: number): Found | null {
  let text = '';
  let points: FinderPoints | null = null;
  try {
    text = decodeQR(image, {
      effort,
      timeLimit: millis,
      // One character for each byte: pieces of digits and capitals stand between them in their order.
      textDecoder: (bytes) => [...bytes].map((byte) => String.fromCharCode(byte)).join(''),
      pointsOnDetect: (seen) => (points = seen),
    });
  } catch {
    return null;
  }
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const seen = points as FinderPoints | null;
  return { bytes, corners: seen === null ? [] : seen.outline.map(({ x, y }) => ({ x, y })) };
}
