// Builds the console into dist/ (or the folder given), with the notice of the packages in it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Packages of which something is in the built files, and where their licence stands. */
const SHIPPED = [
  ['svelte', 'LICENSE.md'],
  ['@lucide/svelte', 'LICENSE'],
  ['qr', 'LICENSE-MIT'],
  ['esm-env', 'LICENSE'],
  ['clsx', 'license'],
];

/** Builds into `out`. */
export async function buildInto(out) {
  process.env.NODE_ENV = 'production';
  await build({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'warn', build: { outDir: out } });
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'licences.txt'), notice());
}

function notice() {
  const parts = SHIPPED.map(([name, file]) => {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return `The console of Thingstead holds parts of these packages.\n\n${parts.join(`\n${'-'.repeat(72)}\n\n`)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildInto(resolve(process.argv[2] ?? join(root, 'dist')));
}
