// node-wot uses a thing of which it has nothing but the description:
//
//   node_wot.cjs FOLDER DESCRIPTION TOKEN
//
// FOLDER has node_modules, DESCRIPTION is a file. It reads `battery`, writes `volume`, invokes `unlock`, observes
// `volume` and subscribes to `tamper`. What it hears goes to standard output, a line each; it ends once it has heard
// three of each.
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

let core, http;
try {
  const require = createRequire(join(resolve(process.argv[2]), 'x.js'));
  core = require('@node-wot/core');
  http = require('@node-wot/binding-http');
} catch (missing) {
  console.log('skipped:', missing.code);
  process.exit(0);
}

const say = (what, value) => console.log(`${what} ${JSON.stringify(value ?? null)}`);

(async () => {
  const description = JSON.parse(readFileSync(process.argv[3], 'utf8'));
  const servient = new core.Servient();
  servient.addClientFactory(new http.HttpsClientFactory({}));
  servient.addCredentials({ [description.id]: { token: process.argv[4] } });
  const wot = await servient.start();
  const thing = await wot.consume(description);

  say('battery', await (await thing.readProperty('battery')).value());
  await thing.writeProperty('volume', 7);
  say('unlock', await (await thing.invokeAction('unlock', { seconds: 1 })).value());

  const heard = { volume: 0, tamper: 0 };
  const hear = (name) => async (output) => {
    say(name, await output.value());
    heard[name] += 1;
    if (heard.volume >= 3 && heard.tamper >= 3) process.exit(0);
  };
  const fail = (error) => {
    console.error(String(error));
    process.exit(1);
  };
  await thing.observeProperty('volume', hear('volume'), fail);
  await thing.subscribeEvent('tamper', hear('tamper'), fail);
  say('waiting');
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
