// A stand-in for the server, for tests of pages alone: serves dist/ under the real policy, with canned answers.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { NOW, uuid } from './data.mjs';
import { answerThings } from './things.mjs';

/** The policy the real server sends. Source: docs/console.md. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8' };

/** Starts it on a free port (or the one given); `world` is changed by tests as they like. */
export async function startMock(dist, world, port = 0) {
  const streams = new Set();
  const calls = [];
  let position = 0;

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      response.writeHead(500);
      response.end(String(error));
    });
  });

  async function answer(request, response) {
    const url = new URL(request.url, 'http://mock');
    if (url.pathname === '/ui/stream') return stream(request, response);
    if (url.pathname.startsWith('/v1/') || url.pathname === '/things' || url.pathname.startsWith('/things/')) return api(request, response, url);
    if (url.pathname === '/') return response.writeHead(302, { location: '/ui/' }).end();
    return file(response, url.pathname);
  }

  async function file(response, path) {
    const wanted = normalize(path.replace(/^\/ui\//, ''));
    const headers = { 'content-security-policy': POLICY, 'permissions-policy': 'camera=(self)', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'cross-origin-opener-policy': 'same-origin', 'cache-control': 'no-store' };
    const name = /^(assets\/[\w.-]+|[\w-]+\.(svg|txt))$/.test(wanted) ? wanted : 'index.html';
    try {
      const bytes = await readFile(join(dist, name));
      response.writeHead(200, { ...headers, 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' }).end(bytes);
    } catch {
      response.writeHead(404, headers).end();
    }
  }

  function stream(request, response) {
    if (!world.signedIn) return response.writeHead(401).end();
    follow(request, response);
  }

  function follow(request, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`event: beat\nid: ${position}\ndata: {"unix_millis":${Date.now()}}\n\n`);
    streams.add(response);
    request.on('close', () => streams.delete(response));
  }

  /** Bytes of files go by a token of their own, without a session. */
  async function content(request, response, id) {
    const pieces = [];
    for await (const chunk of request) pieces.push(chunk);
    calls.push({ call: `${request.method} /v1/files/${id}`, body: null, token: request.headers.authorization ?? null });
    const file = world.files.find((one) => one.id === id);
    if (file === undefined || request.headers.authorization !== 'Bearer t0ken') return response.writeHead(404).end();
    if (request.method === 'GET') return response.writeHead(200, { 'content-length': '11' }).end('hello world');
    const at = Number(request.headers['upload-offset']);
    const held = world.brought[id] ?? Buffer.alloc(0);
    if (at !== held.length) return response.writeHead(409, { 'upload-offset': String(held.length) }).end();
    world.brought[id] = Buffer.concat([held, ...pieces]);
    if (world.brought[id].length < file.size) return response.writeHead(204, { 'upload-offset': String(world.brought[id].length) }).end();
    file.arrived_unix_millis = NOW;
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(file));
  }

  async function api(request, response, url) {
    if (url.pathname.startsWith('/v1/files/')) return content(request, response, url.pathname.slice('/v1/files/'.length));
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = text === '' ? null : request.headers['content-type'] === 'application/x-pem-file' ? text : JSON.parse(text);
    const call = `${request.method} ${url.pathname}`;
    calls.push({ call, body, query: url.search, token: request.headers['x-thingstead-token'] ?? null, background: request.headers['x-thingstead-background'] ?? null });
    const say = (status, json, headers = {}) => response.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json', ...headers }).end(json === null ? '' : JSON.stringify(json));
    const no = (status, code, headers) => say(status, { type: `/ui/help/${code}`, code, title: '', detail: '', try: [], request: 'r-7f31' }, headers);
    await world.held[call];
    const failure = world.failures[call];
    if (failure !== undefined) return failure === 'break' ? request.socket.destroy() : no(failure.status, failure.code, failure.headers);
    const outside = { 'POST /v1/activation': () => activate(body), 'POST /v1/session': () => signIn(body) };
    if (outside[call]) return outside[call]();
    if (!world.signedIn) return no(401, 'signed-out');
    if (request.method !== 'GET' && request.headers['x-thingstead-token'] !== world.session.token) return no(403, 'token-missing');
    const path = url.pathname.replace(/^\/(v1\/)?/, '').split('/');
    const open = () => follow(request, response);
    if (['things', 'grants', 'models', 'clients'].includes(path[0])) return answerThings(world, request.method, path, body, { say, no, open });
    return inside(request.method, path, body);

    function enter() {
      world.signedIn = true;
      world.session.ends_unix_millis = world.now() + world.session.idle_minutes * 60_000;
      return world.session;
    }

    function activate({ token, account }) {
      if (token !== 'k7Qm' || world.activation !== 'open') return no(410, 'activation-ended');
      world.activation = 'used';
      world.session.account = account;
      return say(201, enter());
    }

    function signIn({ password }) {
      if (world.signInAnswer !== null) return no(world.signInAnswer.status, world.signInAnswer.code, world.signInAnswer.headers);
      return password === 'Correct-horse' ? say(200, enter()) : no(401, 'sign-in-failed');
    }

    function inside(method, [first, id, part, more], given) {
      const one = world.devices.find((device) => device.id === id);
      switch (`${method} ${first}${part ? `/${part}` : id && first !== 'audit' && first !== 'session' && first !== 'activation' ? '/x' : id ? `/${id}` : ''}${more ? `/${more}` : ''}`) {
        case 'GET session': return say(200, request.headers['x-thingstead-background'] ? world.session : enter());
        case 'DELETE session': world.signedIn = false; return say(204, null);
        case 'PUT session/password': return given.old === 'Correct-horse' ? say(204, null) : no(403, 'password-wrong');
        case 'GET managementsystem': return say(200, { id: 'A17C55E0B2' });
        case 'GET devices': {
          const words = new URL(request.url, 'http://mock').searchParams.get('q');
          if (words !== null) return say(200, { devices: world.hidden.filter((device) => device.id.startsWith(words.replace('id:', ''))), next: null });
          return say(200, { devices: world.devices, next: world.hidden.length > 0 ? uuid(0) : null });
        }
        case 'GET devices/x': return one ? say(200, one) : say(401, null);
        case 'GET devices/timeline': return say(200, { entries: [...world.audit.filter((entry) => entry.device === id || entry.device === null), ...world.presence.filter((entry) => entry.device === id)].map((entry) => ({ ...entry, device: id })), next: null });
        case 'GET devices/keys': return say(200, { keys: world.keys });
        case 'GET devices/channels': return say(200, { channels: world.channels });
        case 'POST activation/offer': return say(201, { token: 'c0ffee'.padEnd(64, '0'), until_unix_millis: Date.now() + 1_800_000 });
        case 'POST devices/configuration': return say(202, null);
        case 'POST devices/bootstrap': return say(202, { created_at_unix_millis: Date.now() });
        case 'POST devices/transfer':
        case 'POST devices/release':
          if (one) Object.assign(one, { status: 9, since_unix_millis: Date.now() });
          return say(204, null);
        case 'POST devices/accept':
        case 'DELETE devices/accept': return say(204, null);
        case 'POST claims': return claim(given);
        case 'GET offers': return say(200, { offers: world.offers });
        case 'GET audit': return say(200, { entries: world.audit, next: null, kept: world.kept, limit: world.settings.audit_limit_entries });
        case 'GET risks': return say(200, { risks: world.risks });
        case 'PUT risks/acceptance': return say(204, null);
        case 'GET listeners': return say(200, { listeners: world.listeners });
        case 'GET accounts': return say(200, { accounts: world.accounts });
        case 'POST accounts': return world.accounts.some((account) => account.name === given.name) ? no(409, 'account-exists') : (world.accounts.push({ ...given, password: undefined, made_unix_millis: Date.now(), locked_until_unix_millis: null, locked: false, sessions: 0 }), say(201, null));
        case 'GET accounts/sessions': return say(200, { sessions: world.sessions });
        case 'DELETE accounts/sessions':
        case 'PUT accounts/duties':
        case 'PUT accounts/lock':
        case 'DELETE accounts/lock': return say(204, null);
        case 'DELETE accounts/x': return id === 'administrator' ? no(409, 'last-administrator') : say(204, null);
        case 'GET settings': return say(200, world.settings);
        case 'PUT settings': Object.assign(world.settings, given); return say(204, null);
        default: return no(404, 'not-here');
      }
    }

    function claim(given) {
      if (world.claimAnswer !== null) return no(world.claimAnswer.status, world.claimAnswer.code, world.claimAnswer.headers);
      const label = given.label ? Buffer.from(given.label, 'base64').toString('hex').slice(6, 38) : given.device.replaceAll('-', '');
      const id = label.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
      world.claimed = { id, given };
      const now = Date.now();
      world.devices.push({ ...world.devices[0], id, status: 2, owner_sequence_number: 1, info: null, seen_unix_millis: null, image_created_unix_millis: null, since_unix_millis: now });
      return say(201, { device: id });
    }
  }

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    world,
    calls,
    port: server.address().port,
    /** Sends an event to every open stream. */
    push(event, data) {
      position += 1;
      for (const one of streams) one.write(`event: ${event}\nid: ${position}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    /** Ends as a killed process does: every connection breaks. */
    async kill() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
