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
  const pieces: Uint8Array[] = [];
  let points: FinderPoints | null = null;
  try {
    const text = decodeQR(image, {
      effort,
      timeLimit: millis,
      textDecoder: (bytes) => {
        pieces.push(bytes.slice());
        return '';
      },
      pointsOnDetect: (seen) => (points = seen),
    });
    // Digits and capitals stand in segments that are text already.
    if (pieces.length === 0) pieces.push(new TextEncoder().encode(text));
  } catch {
    return null;
  }
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const seen = points as FinderPoints | null;
  return { bytes, corners: seen === null ? [] : seen.outline.map(({ x, y }) => ({ x, y })) };
}
