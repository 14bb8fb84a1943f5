// MQTT.js uses things: mqttjs_things.cjs FOLDER PORT LOCK, where FOLDER has node_modules. As `panel`, in 5.0.
const { createRequire } = require('node:module');
const { join, resolve } = require('node:path');

let mqtt;
try {
  mqtt = createRequire(join(resolve(process.argv[2]), 'x.js'))('mqtt');
} catch (missing) {
  console.log('skipped:', missing.code);
  process.exit(0);
}
const [port, lock] = process.argv.slice(3);
const at = `things/${lock}`;

const expect = (said, wanted, what) => {
  if (JSON.stringify(said) !== JSON.stringify(wanted)) {
    console.error(`${what}: ${JSON.stringify(said)} and not ${JSON.stringify(wanted)}`);
    process.exit(1);
  }
  console.log('ok', what);
};

(async () => {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5, username: 'panel', password: 'secret', clientId: 'mqttjs', reconnectPeriod: 0 });
  const came = [];
  const waiting = [];
  client.on('message', (topic, payload, packet) => {
    const message = { topic, payload: payload.toString(), properties: packet.properties };
    const next = waiting.shift();
    if (next) next(message); else came.push(message);
  });
  const next = () => (came.length > 0 ? Promise.resolve(came.shift()) : new Promise((done) => waiting.push(done)));
  expect((await client.subscribeAsync(`${at}/events/+`, { qos: 1 }))[0].qos, 1, 'events are observed');
  console.log('do raise knocked');
  const event = await next();
  expect([event.topic, event.payload], [`${at}/events/tamper`, '"knocked"'], 'the event came');
  expect(event.properties.userProperties.lost, '0', 'nothing was lost');
  await client.subscribeAsync('mine', { qos: 1 });
  await client.publishAsync(`${at}/actions/unlock/call`, '{"seconds": 1}', {
    qos: 1, properties: { responseTopic: 'mine', correlationData: Buffer.from([7]) } });
  const answer = await next();
  expect(JSON.parse(answer.payload), { outcome: 'done', value: 'unlocked' }, 'the action is answered');
  expect([...answer.properties.correlationData], [7], 'with its correlation data');
  const refused = await client.publishAsync(`${at}/properties/battery/set`, '1', { qos: 1 }).then(
    (packet) => packet.reasonCode, (error) => error.code);
  expect(refused, 0x90, 'what is read only is refused');
  await client.endAsync();
  console.log('all right');
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
