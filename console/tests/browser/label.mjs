// A film of a label for the browser's fake camera, and its picture: made for the test, from the bytes of a label.
import { writeFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import encodeQR from 'qr';

/** The modules of a code of version 5, level H, with these bytes as one byte segment. */
export function modules(bytes) {
  const text = String.fromCharCode(...bytes);
  return encodeQR(text, 'raw', { ecc: 'high', version: 5, border: 4, encoding: 'byte', textEncoder: () => bytes });
}

/** Grey pixels, `width` x `height`, with the code in the middle. */
function pixels(code, width, height, side) {
  const grey = new Uint8Array(width * height).fill(205);
  const scale = Math.floor(side / code.length);
  const [left, top] = [Math.floor((width - scale * code.length) / 2), Math.floor((height - scale * code.length) / 2)];
  for (let y = 0; y < scale * code.length; y += 1) {
    for (let x = 0; x < scale * code.length; x += 1) {
      grey[(top + y) * width + left + x] = code[Math.floor(y / scale)][Math.floor(x / scale)] ? 20 : 235;
    }
  }
  return grey;
}

/** Writes a film of one still, 640 x 480, as Chromium's fake camera takes it. */
export function writeFilm(path, bytes) {
  const [width, height] = [640, 480];
  const luma = bytes === null ? new Uint8Array(width * height).fill(128) : pixels(modules(bytes), width, height, 330);
  const chroma = new Uint8Array((width * height) / 2).fill(128);
  const frame = Buffer.concat([Buffer.from('FRAME\n'), luma, chroma]);
  writeFileSync(path, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`), ...Array.from({ length: 10 }, () => frame)]));
}

/** The picture of a label as a photo. */
export function photo(bytes) {
  const [width, height] = [900, 700];
  const grey = bytes === null ? new Uint8Array(width * height).fill(128) : pixels(modules(bytes), width, height, 420);
  const png = new PNG({ width, height });
  for (let index = 0; index < grey.length; index += 1) png.data.set([grey[index], grey[index], grey[index], 255], index * 4);
  return PNG.sync.write(png);
}
