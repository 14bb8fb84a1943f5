// Builds into another folder and compares with dist/: every byte, every name.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildInto } from './build.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

function contents(folder) {
  const all = new Map();
  const walk = (path) => {
    for (const name of readdirSync(path)) {
      const one = join(path, name);
      if (statSync(one).isDirectory()) walk(one);
      else all.set(relative(folder, one), readFileSync(one));
    }
  };
  walk(folder);
  return all;
}

const built = mkdtempSync(join(tmpdir(), 'console-'));
try {
  await buildInto(built);
  const [is, committed] = [contents(built), contents(join(root, 'dist'))];
  const differ = [...new Set([...is.keys(), ...committed.keys()])].filter((name) => !is.get(name)?.equals(committed.get(name) ?? Buffer.alloc(0)));
  if (differ.length > 0) {
    console.error(`dist/ is not what the source builds; run \`npm run build\` and commit:\n  ${differ.sort().join('\n  ')}`);
    process.exit(1);
  }
  console.log(`same: ${is.size} files, every byte`);
} finally {
  rmSync(built, { recursive: true, force: true });
}
