// A whole authority with two owners and two devices, of the real program, each on ports of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import decodeQR from 'qr/decode.js';
import { PNG } from 'pngjs';

const PATIENCE_MILLIS = 60_000;
const BOOTSTRAP_SERVER = '4294901761';

/** Whether nobody has this port now, for TCP and for UDP. */
async function isFree(port) {
  const tcp = await new Promise((resolve) => {
    const server = createServer().on('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
  return tcp && new Promise((resolve) => {
    const socket = createSocket('udp4').on('error', () => resolve(false)).bind(port, '127.0.0.1', () => socket.close(() => resolve(true)));
  });
}

/** Ports that nobody has now, below those that outgoing connections are given. */
async function freePorts(count) {
  const ports = new Set();
  while (ports.size < count) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

/** A process whose lines are read as they come. */
class Running {
  lines = [];
  #waiting = [];

  constructor(program, args, folder) {
    this.process = spawn(program, args, { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop();
        for (const line of parts) this.#heard(line);
      });
    }
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
  }

  #heard(line) {
    this.lines.push(line);
    this.#waiting = this.#waiting.filter((one) => !one(line));
  }

  /** The first line that holds `words`, past or to come. */
  async line(words) {
    const past = this.lines.find((line) => line.includes(words));
    if (past !== undefined) return past;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no line with “${words}” in:\n${this.lines.join('\n')}`)), PATIENCE_MILLIS);
      this.#waiting.push((line) => {
        if (!line.includes(words)) return false;
        clearTimeout(timer);
        resolve(line);
        return true;
      });
    });
  }

  say(words) {
    this.process.stdin.write(`${words}\n`);
  }

  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** The town. Every process of it ends with `end`. */
export class Town {
  static async build(program) {
    const town = new Town();
    town.program = program;
    town.folder = mkdtempSync(join(tmpdir(), 'console-life-'));
    town.running = [];
    const [maker, owner, regPeers, bootPeers, regPlatform, bootPlatform, devices, alder, alderChannels, birch, birchChannels] = await freePorts(11);
    town.ports = { maker, owner, regPlatform, devices, alder, birch };
    town.write('authority.toml', `
[registration]
data = "registration"
maker_gateway = "127.0.0.1:${maker}"
owner_gateway = "127.0.0.1:${owner}"
peers = "127.0.0.1:${regPeers}"
platform = "127.0.0.1:${regPlatform}"
bootstrap_server = "127.0.0.1:${bootPeers}"
[registration.authority]
bundle = "public/ta.bundle"
system_ca = "public/system-ca.pem"
gap_in = "gap/from-identity"
gap_out = "gap/from-registration"
[bootstrap]
data = "bootstrap"
devices = "127.0.0.1:${devices}"
peers = "127.0.0.1:${bootPeers}"
platform = "127.0.0.1:${bootPlatform}"
registration_server = "127.0.0.1:${regPeers}"
[bootstrap.authority]
bundle = "public/ta.bundle"
system_ca = "public/system-ca.pem"
gap_in = "gap/from-identity"
gap_out = "gap/from-bootstrap"
`);
    for (const [name, platform, channels] of [['alder', alder, alderChannels], ['birch', birch, birchChannels]]) {
      town.write(`${name}.toml`, `[management]\ndata = "${name}"\nsystem_ca = "public/system-ca.pem"\nowner_gateway = "127.0.0.1:${owner}"\nplatform = "127.0.0.1:${platform}"\nchannels = "127.0.0.1:${channels}"\nadvertised = "127.0.0.1:${channels}"\n`);
    }
    await town.found();
    return town;
  }

  write(name, text) {
    writeFileSync(join(this.folder, name), text);
  }

  /** Runs the program to its end and gives what it printed. */
  run(...args) {
    const { status, stdout, stderr } = spawnSync(this.program, args, { cwd: this.folder, encoding: 'utf8', timeout: PATIENCE_MILLIS });
    if (status !== 0) throw new Error(`thingstead ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  start(...args) {
    const one = new Running(this.program, args, this.folder);
    this.running.push(one);
    return one;
  }

  async found() {
    this.run('identity', 'init', '--data', 'identity', '--out', 'public');
    this.run('maker', 'station', '--data', 'station', '--bundle', 'public/ta.bundle', '--maker', 'new');
    this.run('identity', 'stations', 'add', 'station/station.file', '--data', 'identity');
    const authority = this.start('serve', '--config', 'authority.toml');
    for (let count = 1; count <= 2; count += 1) {
      while (authority.lines.filter((line) => line.includes('thingstead identity enrol')).length < count) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const line = authority.lines.filter((one) => one.includes('thingstead identity enrol'))[count - 1];
      const words = line.slice(line.indexOf('identity enrol')).trim().split(/\s+/);
      this.run(...words, '--data', 'identity', '--gap-out', 'gap/from-identity');
    }
    await authority.line('ready registration');
    await authority.line('ready bootstrap');
    const ca = ['--system-ca', 'public/system-ca.pem'];
    this.run('maker', 'register', '--data', 'station', '--operator', 'registration/operator.pem', '--platform', `127.0.0.1:${this.ports.regPlatform}`, ...ca);
    this.write('lamp.json', '{"name":"lamp","choices":[]}');
    const gateway = ['--gateway', `127.0.0.1:${this.ports.maker}`];
    const set = this.run('maker', 'parameters', 'upload', 'lamp.json', '--data', 'station', ...gateway, ...ca);
    for (let count = 0; count < 2; count += 1) {
      this.run('maker', 'make', '--data', 'station', '--kind', 'p256', '--bootstrap-server', BOOTSTRAP_SERVER, '--parameter-set', set, '--devices', 'devices', '--quiet');
    }
    this.devices = readdirSync(join(this.folder, 'devices')).sort();
    this.run('maker', 'upload', '--data', 'station', ...gateway, ...ca);
    this.run('identity', 'import', '--data', 'identity', '--gap-in', 'gap/from-registration', '--gap-out', 'gap/from-identity');
    await this.until(() => this.run('audit', 'list', '--data', 'registration', '--server', `127.0.0.1:${this.ports.regPlatform}`, '--ca', 'public/system-ca.pem').includes('identity.import'));
  }

  async until(holds) {
    const deadline = Date.now() + PATIENCE_MILLIS;
    while (!holds()) {
      if (Date.now() > deadline) throw new Error('it did not come true in time');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Starts the management system of an owner; the first time it leaves an activation link. */
  async owner(name, again = false) {
    const one = this.start('serve', '--config', `${name}.toml`);
    await one.line('ready management');
    await one.line(again ? 'certificate SHA-256' : 'activation link in');
    return one;
  }

  /** Where an owner's console is. */
  console(name) {
    return `https://127.0.0.1:${this.ports[name]}`;
  }

  /** The activation link of an owner whose standard output is no terminal. */
  activation(name) {
    return readFileSync(join(this.folder, name, 'activation'), 'utf8').split('\n')[0].trim();
  }

  /** The bytes of a device's label, read from the picture that the maker's station drew. */
  label(device) {
    const png = PNG.sync.read(readFileSync(join(this.folder, 'station', `${device}.label.png`)));
    let bytes;
    decodeQR({ width: png.width, height: png.height, data: png.data }, { effort: 8, timeLimit: 5_000, textDecoder: (found) => { bytes = found.slice(); return ''; } });
    return bytes;
  }

  /** Switches a device on. */
  device(id) {
    return this.start('device', 'run', '--state', `devices/${id}`, '--resolve', `${BOOTSTRAP_SERVER}=127.0.0.1:${this.ports.devices}`, '--retry-base', '1');
  }

  async end() {
    await Promise.all(this.running.map((one) => one.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
