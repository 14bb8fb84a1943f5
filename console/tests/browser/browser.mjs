// A browser for the tests: Debian's Chromium, watched for every message, report and request it makes.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const DIST = join(ROOT, 'dist');
export const OUT = join(ROOT, 'tests/.out');

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser of this machine. */
export function chromiumPath() {
  const found = PLACES.find((place) => place !== undefined && existsSync(place));
  if (found === undefined) throw new Error('there is no Chromium: install it, or name it in CHROMIUM');
  return found;
}

/** Starts the browser; `more` are flags such as those of a fake camera. */
export async function launch(more = []) {
  return chromium.launch({
    executablePath: chromiumPath(),
    headless: true,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--font-render-hinting=none', '--force-color-profile=srgb', ...more],
  });
}

/** A context whose pages are watched; `faults` must be empty at the end. */
export async function watched(browser, origin, options = {}) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const faults = [];
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  context.on('page', (page) => {
    page.on('console', (message) => {
      if (!isExpected(message)) faults.push(`console ${message.type()}: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => faults.push(`error: ${error.stack ?? error.message}`));
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(origin) && !url.startsWith('blob:') && !url.startsWith('data:')) faults.push(`off-origin request: ${url}`);
    });
  });
  return { context, faults };
}

/** Chromium itself writes a line for every answer of 4xx, 5xx or broken connection: not ours to stop. */
function isExpected(message) {
  return message.type() === 'error' && message.text().startsWith('Failed to load resource:') && !message.text().includes('policy');
}

/** Signs in by the page. */
export async function signIn(page, origin, account = 'administrator', password = 'Correct-horse') {
  await page.goto(`${origin}/ui/sign-in`);
  await page.getByLabel('Account name').fill(account);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { level: 1, name: 'Today' }).waitFor();
}

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };
