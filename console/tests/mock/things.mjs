// Smart devices of the stand-in: a heating valve that is there, and a lock that is not.
import { NOW, uuid } from './data.mjs';

const TD = (id) => ({
  '@context': ['https://www.w3.org/2022/wot/td/v1.1'],
  id: `urn:uuid:${id}`,
  title: 'Radiator, kitchen',
  description: 'A valve with a thermometer.',
  securityDefinitions: { reader: { scheme: 'bearer' } },
  security: 'reader',
  properties: {
    temperature: { title: 'Temperature', type: 'number', unit: '°C', readOnly: true, observable: true, forms: [] },
    setpoint: { title: 'Wanted temperature', description: 'What it heats to.', type: 'number', unit: '°C', minimum: 5, maximum: 30, multipleOf: 0.5, readOnly: false, observable: true, forms: [] },
    mode: { title: 'Mode', type: 'string', enum: ['auto', 'manual', 'off'], readOnly: false, observable: true, forms: [] },
    schedule: { title: 'Schedule', type: 'array', readOnly: false, items: { type: 'object', title: 'Switching time', required: ['at'], properties: { at: { type: 'string', title: 'At', pattern: '^[0-2][0-9]:[0-5][0-9]$' }, to: { type: 'number', title: 'To', unit: '°C' } } }, forms: [] },
  },
  actions: {
    identify: { title: 'Blink', description: 'Shows which one it is.', safe: true, idempotent: true, forms: [] },
    boost: { title: 'Heat now', input: { type: 'object', required: ['minutes'], properties: { minutes: { type: 'integer', title: 'For how long', unit: 'min', minimum: 1, maximum: 120 }, reason: { type: 'string', title: 'Why', maxLength: 200 } } }, forms: [] },
  },
  events: { 'window-open': { title: 'Window opened', data: { type: 'number' }, forms: [] } },
});

/** What `world()` holds of smart devices. */
export function smart() {
  const wanted = { value: 23, version: 3, state: 'wanted', code: null, message: null, asked_unix_millis: NOW - 4_000, settled_unix_millis: null };
  const refused = { value: 'off', version: 2, state: 'refused', code: 7, message: 'locked by hand', asked_unix_millis: NOW - 90_000, settled_unix_millis: NOW - 89_000 };
  return {
    things: [
      { id: uuid(70), title: 'Radiator, kitchen', binding: 'osap', device: 'HEAT-0001', hub: null, compat: false, created_unix_millis: NOW - 9_000_000, online_since_unix_millis: NOW - 600_000, properties: ['temperature', 'setpoint', 'mode', 'schedule'], actions: ['identify', 'boost'], events: ['window-open'] },
      { id: uuid(71), title: 'Back door', binding: 'osap', device: 'LOCK-7', hub: null, compat: true, created_unix_millis: NOW - 19_000_000, online_since_unix_millis: null, properties: ['bolt'], actions: [], events: [] },
    ],
    values: {
      temperature: { value: 21.4, at_unix_millis: NOW - 12_000, received_unix_millis: NOW - 11_900, version: 41, desired: null },
      setpoint: { value: 22, at_unix_millis: NOW - 700_000, received_unix_millis: NOW - 700_000, version: 2, desired: wanted },
      mode: { value: 'auto', at_unix_millis: NOW - 700_000, received_unix_millis: NOW - 700_000, version: 1, desired: refused },
      schedule: { at_unix_millis: null, received_unix_millis: null, version: 0, desired: null },
    },
    told: [
      { number: 7, id: uuid(77), name: 'window-open', data: 12, at_unix_millis: NOW - 60_000, received_unix_millis: NOW - 59_000, lost_before: 0 },
      { number: 8, id: uuid(78), name: 'window-open', data: 3, at_unix_millis: NOW - 30_000, received_unix_millis: NOW - 29_000, lost_before: 2 },
    ],
    grants: [{ id: uuid(80), party: 'person:ines', thing: uuid(70), acts: ['read', 'observe'], names: ['temperature'], from_unix_millis: null, until_unix_millis: NOW + 86_400_000, made_unix_millis: NOW - 3_600_000, made_by: 'administrator' }],
    /** What the load balancer has on record of the first; null for nothing. */
    record: { serial: 'HEAT-0001', product_key: false, kinds: ['psk'], has_ticket: true, code_burned: false, window_until_unix_millis: null, blocked: false, min_type: 2, compat: false, enrolled: true, devid: '00112233445566778899aabbccddeeff', created_unix_millis: NOW - 9_000_000, admitted_unix_millis: NOW - 600_000 },
    realm: 'lbs.example',
    models: [{ name: 'door-lock', model: { title: 'Door lock' } }, { name: 'camera', model: { title: 'Camera' } }],
    files: [
      { id: 'f1'.padEnd(32, '0'), name: 'clip.mp4', size: 11, sha256: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9', made_unix_millis: NOW - 90_000, arrived_unix_millis: NOW - 80_000 },
      { id: 'f2'.padEnd(32, '0'), name: 'log.txt', size: 4_000_000, sha256: 'aa'.repeat(32), made_unix_millis: NOW - 9_000, arrived_unix_millis: null },
    ],
    samples: [19, 20.5, 22, 21, 23.5, 21.4].map((value, index) => ({ value, at_unix_millis: NOW - (6 - index) * 600_000, received_unix_millis: NOW - (6 - index) * 600_000, version: index + 4 })),
    /** Bytes that were brought, by file. */
    brought: {},
    clients: [{ name: 'kitchen-lamp', namespace: 'home', made_unix_millis: NOW - 86_400_000, has_key: false, has_certificate: false, for_owner: false }],
    /** How an operation goes: `done`, or `queued` until `world.operation` is changed. */
    operation: 'done',
  };
}

/** Answers a call below `/things` or `/v1/grants`; nothing when it is none. */
export function answerThings(world, method, path, body, { say, no, open }) {
  const [first, id, part, name, number] = path;
  const one = world.things.find((thing) => thing.id === id);
  const operation = (state) => ({ number: 5, action: name, input: body, state, code: null, message: null, was_sent: state !== 'queued' && state !== 'withdrawn', asked_unix_millis: NOW, deadline_unix_millis: NOW + 30_000, ended_unix_millis: null, href: `/things/${id}/actions/${name}/5` });
  if (first === 'grants') {
    if (method === 'GET') return say(200, { grants: world.grants, next: null });
    if (method === 'DELETE') return (world.grants = world.grants.filter((grant) => grant.id !== id), say(204, null));
    return (world.grants.push({ ...body, id: uuid(81), made_unix_millis: NOW, made_by: 'administrator' }), say(201, world.grants.at(-1)));
  }
  if (first === 'models') return say(200, { realm: world.realm, models: world.models });
  if (first === 'clients') {
    if (method === 'GET') return say(200, { clients: world.clients });
    if (method === 'POST') {
      if (world.clients.some((client) => client.name === body.name)) return no(409, 'client-exists');
      return (world.clients.push({ name: body.name, namespace: body.namespace, made_unix_millis: NOW, has_key: false, has_certificate: false, for_owner: body.for_owner }), say(201, null));
    }
    if (part === 'key') {
      const has_key = method === 'PUT';
      world.clients = world.clients.map((client) => (client.name === id ? { ...client, has_key } : client));
      return has_key ? say(200, { name: id, key: '0123456789abcdef'.repeat(2) }) : say(204, null);
    }
    if (part === 'certificate') {
      const has_certificate = method === 'PUT';
      world.clients = world.clients.map((client) => (client.name === id ? { ...client, has_certificate } : client));
      return say(204, null);
    }
    if (method === 'DELETE') world.clients = world.clients.filter((client) => client.name !== id);
    return say(204, null);
  }
  if (id === undefined && method === 'POST') {
    world.things.push({ ...world.things[1], id: uuid(72), title: 'Door lock', device: body.osap.serial, compat: false });
    return say(201, { id: uuid(72) });
  }
  if (id === undefined) return say(200, { things: world.things, next: null });
  if (one === undefined) return no(404, 'not-here');
  if (part === 'properties' && number === 'history') return say(200, { samples: world.samples, gap: 3 });
  switch (`${method} ${part ?? ''}${name === undefined ? '' : '/x'}${number === undefined ? '' : '/n'}`) {
    case 'GET ': return say(200, TD(id));
    case 'GET children': return say(200, { children: [] });
    case 'GET record': return world.record === null ? no(404, 'not-on-record') : say(200, world.record);
    case 'POST record': return say(200, (world.record = { ...smart().record, kinds: ['code'], has_ticket: false }));
    case 'POST record/x': return say(200, (world.record = { ...world.record, kinds: ['code', 'psk'], window_until_unix_millis: Date.now() + 900_000 }));
    case 'DELETE record/x': return say(200, (world.record = { ...world.record, ...(name === 'block' ? { blocked: false } : name === 'compat' ? { compat: false, min_type: 2 } : { kinds: ['psk'], window_until_unix_millis: null }) }));
    case 'PUT record/x': return say(200, (world.record = { ...world.record, ...(name === 'block' ? { blocked: true } : name === 'compat' ? { compat: true, min_type: 1 } : {}) }));
    case 'GET files': return say(200, { files: world.files, next: null });
    case 'POST files':
      world.files.push({ id: 'f3'.padEnd(32, '0'), ...body, made_unix_millis: NOW, arrived_unix_millis: null });
      return say(201, { file: 'f3'.padEnd(32, '0'), token: 't0ken', until_unix_millis: NOW + 900_000 });
    case 'POST files/x/n': return say(201, { file: name, token: 't0ken', until_unix_millis: NOW + 900_000 });
    case 'DELETE files/x': return (world.files = world.files.filter((file) => file.id !== name), say(204, null));
    case 'DELETE ': return (world.things = world.things.filter((thing) => thing.id !== id), say(204, null));
    case 'GET watch': return open();
    case 'GET properties': return say(200, world.values);
    case 'GET properties/x': return say(200, world.values[name]);
    case 'PUT properties/x':
      Object.assign(world.values[name], { value: body, desired: null, at_unix_millis: NOW });
      return say(204, null);
    case 'GET events': return say(200, { events: world.told, next: null, gap: 0 });
    case 'POST actions/x': return world.operation === 'done' ? say(200, { warmed: true }) : say(201, operation(world.operation));
    case 'GET actions/x/n': return say(200, operation(world.operation));
    case 'DELETE actions/x/n': return (world.operation = 'withdrawn', say(200, operation('withdrawn')));
    default: return no(404, 'not-here');
  }
}
