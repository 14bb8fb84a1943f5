// What the policy of the page would report, and what must not be committed: found before a browser does.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const found = [];

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const RULES = [
  [/\.svelte$|index\.html$/, /<[^>]*\sstyle="/, 'a static style attribute: the policy reports it'],
  [/\.svelte$/, /\{@html\b/, '{@html}: text becomes markup'],
  [/\.(svelte|ts)$/, /\beval\(|new Function\(|\.innerHTML\b|\.outerHTML\b|insertAdjacentHTML|document\.write/, 'a way from text to code or markup'],
  [/\.(svelte|ts|css|html)$/, /https?:\/\/(?!www\.w3\.org\/2000\/svg|\$\{window\.location)/, 'an address outside'],
];

for (const path of [...files(join(root, 'src')), join(root, 'index.html')]) {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  for (const [name, pattern, words] of RULES) {
    if (!name.test(path)) continue;
    lines.forEach((line, index) => {
      if (pattern.test(line)) found.push(`${relative(root, path)}:${index + 1}: ${words}`);
    });
  }
  if (lines.length > 400) found.push(`${relative(root, path)}: ${lines.length} lines, 400 at most`);
  if (!/^(<!--|\/\/|\/\*|<!doctype)/.test(text)) found.push(`${relative(root, path)}: the first line says what the file is`);
}

const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
if (/"resolved"|https?:\/\/registry/.test(lock)) found.push('package-lock.json names a registry');
const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
  if (!/^\d+\.\d+\.\d+$/.test(version)) found.push(`package.json: ${name} is not pinned`);
}
for (const path of files(join(root, 'dist'))) {
  if (path.endsWith('.map')) found.push(`${relative(root, path)}: a source map`);
  if (/sourceMappingURL/.test(readFileSync(path, 'latin1'))) found.push(`${relative(root, path)}: names a source map`);
}

if (found.length > 0) {
  console.error(found.join('\n'));
  process.exit(1);
}
console.log('lint: nothing found');
