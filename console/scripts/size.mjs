// How much a browser loads, gzipped as served: limits of docs/console.md.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '../dist');
const KB = 1000;
const LIMITS = { first: 120 * KB, chunk: 40 * KB, css: 15 * KB, total: 400 * KB };

const size = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
const assets = readdirSync(join(dist, 'assets')).map((name) => `assets/${name}`);
const index = readFileSync(join(dist, 'index.html'), 'utf8');

/** What a chunk imports statically, and what those import. */
function withImports(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(join(dist, name), 'utf8');
  for (const [, from] of text.matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g)) withImports(`assets/${from}`, seen);
  return seen;
}

const entries = assets.filter((name) => name.endsWith('.js') && index.includes(name));
const css = assets.filter((name) => name.endsWith('.css'));
const js = assets.filter((name) => name.endsWith('.js'));
// The first load is the page itself, its style, its entry, and the page shown first with all it needs.
const first = new Set(entries.flatMap((name) => [...withImports(name)]));
const today = js.find((name) => name.includes('/Today-'));
if (today !== undefined) for (const name of withImports(today)) first.add(name);

const sum = (names) => [...names].reduce((total, name) => total + size(name), 0);
const sizes = {
  first: sum(first) + sum(css) + size('index.html'),
  chunk: Math.max(...js.filter((name) => !first.has(name)).map(size)),
  css: sum(css),
  total: sum(assets) + size('index.html') + size('mark.svg'),
};
let over = false;
for (const [name, limit] of Object.entries(LIMITS)) {
  const is = sizes[name];
  if (!(is > 0 && is <= limit)) over = true;
  console.log(`${name.padEnd(6)} ${(is / KB).toFixed(1).padStart(6)} kB gz, limit ${limit / KB}`);
}
if (over) process.exit(1);
