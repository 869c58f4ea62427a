import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { until } from './support/until.js';

const SCRIPT = fileURLToPath(new URL('../.ci/container-engine', import.meta.url));
const PROGRAM = fileURLToPath(new URL('./fixtures/ci-programs/program', import.meta.url));
const PROGRAMS = ['node', 'dpkg-query', 'id', 'apt-get', 'debootstrap', 'podman'];

/** A mount table of its own for the script, where this user may have one: as root, or as what looks like it. */
const OWN_MOUNTS = [
  ['unshare', '--mount', '--'],
  ['unshare', '--user', '--map-root-user', '--mount', '--'],
].find(([program = '', ...args]) => spawnSync(program, [...args, 'true']).status === 0);

describe('.ci/container-engine', () => {
  let fake: string;
  let running: ChildProcess[] = [];

  beforeEach(async () => {
    fake = await realpath(await mkdtemp(join(tmpdir(), 'haricot-ci-')));
    for (const folder of ['bin', 'tmp', 'precious']) await mkdir(join(fake, folder));
    for (const name of PROGRAMS) await symlink(PROGRAM, join(fake, 'bin', name));
    await writeFile(join(fake, 'precious/file'), '');
  });

  afterEach(async () => {
    for (const child of running) child.kill('SIGKILL');
    running = [];
    await rm(fake, { recursive: true, force: true });
  });

  /** Runs the script. @returns its process, and what it will have printed */
  function run(action: 'start' | 'stop', env: NodeJS.ProcessEnv = {}) {
    const [program = '', ...args] = [...(OWN_MOUNTS ?? []), SCRIPT, action];
    const child = spawn(program, args, {
      env: {
        ...process.env,
        PATH: `${fake}/bin:${process.env['PATH']}`,
        TMPDIR: `${fake}/tmp`,
        FAKE: fake,
        CAN_MOUNT: OWN_MOUNTS ? '1' : '',
        ...env,
      },
    });
    running.push(child);
    const output = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.err += text));
    return { child, exit: once(child, 'exit'), output };
  }

  const calls = (): string => readFileSync(join(fake, 'calls'), 'utf8');
  const folders = (): string[] => readdirSync(join(fake, 'tmp'));

  /** Whether a process runs whose command line has the folder of this test in it. */
  function anythingRuns(): boolean {
    return readdirSync('/proc').some((pid) => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`${fake}/`);
      } catch {
        return false;
      }
    });
  }

  for (const [point, signal, code] of [
    ['debootstrap', 'SIGTERM', 143],
    ['debootstrap', 'SIGINT', 130],
    ['debootstrap', 'SIGHUP', 129],
    ['podman import', 'SIGTERM', 143],
    ['podman system service', 'SIGTERM', 143],
  ] as const) {
    it(`ended by ${signal} during ${point} ends that, unmounts, and removes its folder but nothing that was mounted`, async () => {
      const { child, exit, output } = run('start', { STOP_AT: point });
      await until('it has come there', async () => existsSync(join(fake, 'reached')));
      child.kill(signal);
      expect(await exit, output.err).to.deep.equal([code, null]);
      expect(folders(), output.err).to.deep.equal([]);
      expect(existsSync(join(fake, 'precious/file'))).to.equal(true);
      await until('nothing is left running', async () => !anythingRuns());
      expect(output.out).to.equal('');
    });
  }

  for (const point of ['apt-get update', 'apt-get install']) {
    it(`ended by SIGTERM during ${point} waits for that, and goes no further`, async () => {
      const { child, exit, output } = run('start', { STOP_AT: point });
      await until('it has come there', async () => existsSync(join(fake, 'reached')));
      for (const signal of ['SIGTERM', 'SIGTERM', 'SIGINT'] as const) child.kill(signal);
      await writeFile(join(fake, 'go'), '');
      const [code] = await exit;
      expect(code, output.err).to.be.oneOf([143, 130]);
      expect(calls())
        .to.match(/^went on: apt-get.*\n$/m)
        .and.not.match(/^(told to end|debootstrap)/m);
      expect(folders()).to.deep.equal([]);
    });
  }

  it('starts an engine, and says how to reach it', async () => {
    const { exit, output } = run('start');
    expect(await exit, output.err).to.deep.equal([0, null]);
    const [folder = ''] = folders();
    expect(folder).to.match(/^haricot-engine\./);
    expect(output.out).to.contain(`export DOCKER_HOST=unix://${fake}/tmp/${folder}/podman.sock\n`);
    expect(existsSync(join(fake, 'tmp', folder, 'base'))).to.equal(false);
    const stop = run('stop', { HARICOT_ENGINE_STATE: `${fake}/tmp/${folder}` });
    expect(await stop.exit, stop.output.err).to.deep.equal([0, null]);
    await until('nothing is left running', async () => !anythingRuns());
    expect(folders()).to.deep.equal([]);
  });

  it('ends the engine, and fails, where the containers that are left cannot be listed', async () => {
    await run('start').exit;
    const [folder = ''] = folders();
    const { exit, output } = run('stop', { HARICOT_ENGINE_STATE: `${fake}/tmp/${folder}`, PS_STATUS: '125' });
    expect(await exit).to.deep.equal([1, null]);
    expect(output.err).to.contain('cannot list the containers');
    await until('nothing is left running', async () => !anythingRuns());
    expect(folders()).to.deep.equal([]);
  });

  it('ends no process that has the number of an engine that is gone', async () => {
    const folder = join(fake, 'tmp/haricot-engine.gone');
    await mkdir(folder);
    await writeFile(join(folder, 'pid'), String(process.pid));
    const { exit, output } = run('stop', { HARICOT_ENGINE_STATE: folder });
    expect(await exit, output.err).to.deep.equal([0, null]);
    expect(folders()).to.deep.equal([]);
  });
});
