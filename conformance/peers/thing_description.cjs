// Judges Thing Descriptions with the validator of the W3C community's playground: its JSON Schema of
// Thing Description 1.1 and the assertions that a schema cannot say. The first argument is a folder with
// node_modules, the second a file with a JSON array of descriptions.
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

let validator;
try {
  validator = createRequire(join(resolve(process.argv[2]), 'x.js'))('@thing-description-playground/core');
} catch (missing) {
  console.log('skipped:', missing.code);
  process.exit(0);
}

(async () => {
  const descriptions = JSON.parse(readFileSync(process.argv[3], 'utf8'));
  for (const description of descriptions) {
    const said = [];
    const { report, details } = await validator.tdValidator(
      JSON.stringify(description), (line) => said.push(line), { checkDefaults: false, checkJsonLd: false });
    const judged = Object.entries({ ...report, ...details });
    const bad = judged.filter(([, end]) => end === 'failed');
    if (report.json !== 'passed' || report.schema !== 'passed' || bad.length > 0) {
      console.error(JSON.stringify(bad), said.join('\n'), JSON.stringify(description));
      process.exit(1);
    }
  }
  console.log('validated', descriptions.length);
})();
