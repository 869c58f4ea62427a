import { execFile } from 'node:child_process';
import { format, promisify } from 'node:util';
import { expect } from 'chai';
import packageDebug from 'debug';
import sinon from 'sinon';
import { createDebug } from '../src/debug.js';

const run = promisify(execFile);

describe('the debug output', () => {
  let lines: string[];
  let enabledBefore: string;

  beforeEach(() => {
    lines = [];
    enabledBefore = packageDebug.disable();
    sinon.replace(packageDebug, 'log', (...args: unknown[]) => void lines.push(format(...args)));
  });

  afterEach(() => {
    sinon.restore();
    packageDebug.enable(enabledBefore);
  });

  it('has the lines of the namespaces that are enabled, and no others', () => {
    packageDebug.enable('haricot:one');
    createDebug('haricot:one')('%s and %d', 'text', 1);
    createDebug('haricot:two')('unseen');
    expect(lines).to.have.length(1);
    expect(lines[0]).to.match(/haricot:one.*text and 1/);
  });

  it('begins when it is enabled and ends when it is disabled, whenever that is', () => {
    const debug = createDebug('haricot:one');
    debug('too early');
    expect(debug.enabled).to.equal(false);
    packageDebug.enable('haricot:*');
    expect(debug.enabled).to.equal(true);
    debug('now');
    packageDebug.disable();
    expect(debug.enabled).to.equal(false);
    debug('too late');
    expect(lines.join()).to.contain('now').and.not.contain('too');
  });

  describe('in a program that has not loaded the package', () => {
    /**
     * Runs `code`, in which `debug` has the namespace haricot:one. @returns what it wrote to stderr, and whether the
     * package was loaded
     */
    async function program(code: string, env: NodeJS.ProcessEnv = {}) {
      const script = `
        import { createRequire } from 'node:module';
        import { createDebug } from '${new URL('../src/debug.ts', import.meta.url)}';
        const debug = createDebug('haricot:one');
        ${code}
        const require = createRequire('${import.meta.url}');
        console.log(require.resolve('debug') in require.cache);`;
      const args = ['--import', 'tsx', '--input-type=module', '-e', script];
      const { stdout, stderr } = await run(process.execPath, args, { env: { ...process.env, DEBUG: '', ...env } });
      return { stderr, loaded: stdout.trim() === 'true' };
    }

    it('does not load it as long as nobody asks for a line', async () => {
      expect(await program(`debug('unseen'); debug.enabled;`)).to.deep.equal({ stderr: '', loaded: false });
    });

    it('is asked for by DEBUG', async () => {
      const { stderr } = await program(`debug('%o', { seen: true });`, { DEBUG: 'haricot:*' });
      expect(stderr).to.contain('haricot:one { seen: true }');
    });

    it('is enabled wherever its namespace is used, once a line was written', async () => {
      const { stderr } = await program(`debug('first'); if (createDebug('haricot:one').enabled) debug('second');`, {
        DEBUG: 'haricot:*',
      });
      expect(stderr).to.contain('haricot:one second');
    });

    it('is asked for by DEBUG that the program itself sets', async () => {
      const { stderr } = await program(`debug('unseen'); process.env.DEBUG = 'haricot:one'; debug('seen');`);
      expect(stderr).to.contain('haricot:one seen').and.not.contain('unseen');
    });
  });
});
