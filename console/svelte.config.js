// Svelte's own settings: runes everywhere, styles in files (the policy allows no inline ones).
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default {
  preprocess: vitePreprocess(),
  compilerOptions: { runes: true, css: 'external' },
};
