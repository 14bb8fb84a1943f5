// Starts the console.
import { mount } from 'svelte';
import App from './App.svelte';
import './tokens.css';
import './app.css';
import { applyTheme, startClock } from './lib/clock.svelte';
import { followLinks } from './lib/router.svelte';
import { keep } from './lib/session.svelte';

applyTheme();
startClock();
keep();
followLinks();

const target = document.getElementById('console');
if (target !== null) mount(App, { target });
