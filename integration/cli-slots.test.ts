import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Haricot, type HaricotOptions, haricot, killLeftovers } from './support/haricot.js';
import { onBuild } from './support/haricot-build.js';

const CONNECT = `(signals) => { signals.connect('messageReceived', () => {}); }`;
/** Where nobody answers: a worker that has its slots says so, and stops. */
const NOWHERE = ['--url', 'beanstalkd://127.0.0.1:1', '--time-limit', '1ms'];

interface Files {
  readonly [path: string]: string;
}

describe('haricot work --slots', () => {
  killLeftovers();
  const build = onBuild();
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haricot-slots-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs a worker in a folder of these files. */
  async function work(slots: string, files: Files, { loader = false } = {}): ReturnType<typeof haricot> {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    const options = loader ? { cwd: folder } : { cwd: folder, build: build() };
    return haricot(['work', 'mail', '--slots', slots, ...NOWHERE], options);
  }

  describe('loads', () => {
    for (const [what, slots, files] of [
      ['an ES module', './slots.mjs', { 'slots.mjs': `export default ${CONNECT};` }],
      ['a path without a dot in front', 'lib/slots.mjs', { 'lib/slots.mjs': `export default ${CONNECT};` }],
      ['a CommonJS module', './slots.cjs', { 'slots.cjs': `module.exports = ${CONNECT};` }],
      [
        'what a compiler makes of `export default` as CommonJS',
        './slots.js',
        { 'slots.js': `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${CONNECT};` },
      ],
      [
        'a function that is asynchronous',
        './slots.mjs',
        { 'slots.mjs': `export default async (signals) => { await null; (${CONNECT})(signals); };` },
      ],
      [
        'what a package of the application exports',
        'my-app/slots',
        {
          'node_modules/my-app/package.json':
            '{ "type": "module", "exports": { "./slots": { "import": "./lib.js" } } }',
          'node_modules/my-app/lib.js': `export default ${CONNECT};`,
        },
      ],
      [
        'what the application itself exports by its name',
        '@my/app',
        { 'package.json': '{ "name": "@my/app", "exports": "./a.mjs" }', 'a.mjs': `export default ${CONNECT};` },
      ],
    ] as const) {
      it(what, async () => {
        const { code, stdout, stderr } = await work(slots, files);
        expect([code, stderr], stderr).to.deep.equal([0, '']);
        expect(stdout).to.contain(' stopped: 0 finished, 0 buried\n');
      });
    }

    const typed = {
      'slots.ts': `import type { A } from './a.js';\nconst a: A | null = null;\nexport default ${CONNECT.replace('signals', 'signals: any')};`,
    };

    it('TypeScript with a loader', async () => {
      const { code, stderr } = await work(
        './slots.ts',
        { ...typed, 'package.json': '{ "type": "module" }' },
        { loader: true },
      );
      expect([code, stderr]).to.deep.equal([0, '']);
    });

    it('TypeScript where Node can, and says what to do where it cannot', async () => {
      const { code, stderr } = await work('./slots.ts', typed);
      const { typescript } = process.features as { typescript?: string | false };
      if (typescript) expect(code, stderr).to.equal(0);
      else {
        expect(code).to.equal(2);
        expect(stderr).to.match(
          /^haricot: cannot load the slots module \.\/slots\.ts: Unknown file extension "\.ts" .*slots\.ts \(compile TypeScript first, or use a loader: NODE_OPTIONS="--import tsx" haricot work …\)\n$/,
        );
      }
    });
  });

  describe('says what is wrong with', () => {
    for (const [what, slots, files, message] of [
      [
        'a file that is not there',
        './nowhere.js',
        {},
        /^cannot load the slots module \.\/nowhere\.js: it is not there \(\/.*\/nowhere\.js\)$/,
      ],
      [
        'a file whose name lacks its extension',
        './lib/slots',
        { 'lib/slots.mjs': '' },
        /^cannot load the slots module \.\/lib\/slots: it is not there \(\/.*\); there is \.\/lib\/slots\.mjs$/,
      ],
      [
        'a folder',
        './slots/',
        { 'slots/index.js': '' },
        /^cannot load the slots module \.\/slots\/: it is a folder, not a file; there is \.\/slots\/index\.js$/,
      ],
      [
        'a package that is not there',
        'my-app/slots',
        {},
        /^cannot load the slots module my-app\/slots: it is not there, neither as a file nor as a package$/,
      ],
      [
        'a name without a path or an extension',
        'slots',
        { 'slots.js': '' },
        /^cannot load the slots module slots: it is not there, neither as a file nor as a package; there is slots\.js$/,
      ],
      [
        'a package that does not export it',
        'my-app/slots',
        { 'node_modules/my-app/package.json': '{ "exports": { ".": "./a.js" } }' },
        /^cannot load the slots module my-app\/slots: Package subpath '\.\/slots' is not defined by "exports" in \/.*\/my-app\/package\.json$/,
      ],
      [
        'a syntax error in an ES module, with its place',
        './slots.mjs',
        { 'slots.mjs': 'export default 1;\n\nconst = 5;\n' },
        /^cannot load the slots module \.\/slots\.mjs: Unexpected token '=', at \/.*\/slots\.mjs:3$/,
      ],
      [
        'a syntax error in what it imports, with its place',
        './slots.mjs',
        { 'slots.mjs': `import './other.mjs';\nexport default ${CONNECT};`, 'other.mjs': '\nlet let;' },
        /^cannot load the slots module \.\/slots\.mjs: .*, at \/.*\/other\.mjs:2$/,
      ],
      [
        'a syntax error in a CommonJS module, with its place',
        './slots.cjs',
        { 'slots.cjs': '\nconst = 5;\n' },
        /^cannot load the slots module \.\/slots\.cjs: Unexpected token '=', at \/.*\/slots\.cjs:2$/,
      ],
      [
        'a syntax error three imports away, with its place, and runs nothing',
        './slots.mjs',
        {
          'slots.mjs': `console.log('RAN');\nimport './lib/a.mjs';\nexport default ${CONNECT};`,
          'lib/a.mjs': `console.log('RAN');\nexport * from '../b.js';`,
          'package.json': '{ "type": "module" }',
          'b.js': `import 'node:fs';\nconsole.log('RAN');\nawait import('node:os');\nexport const = 5;`,
        },
        /^cannot load the slots module \.\/slots\.mjs: Unexpected token '=', at \/.*\/b\.js:4$/,
      ],
      [
        'a syntax error of a package that it is, with its place',
        'my-app/slots',
        {
          'node_modules/my-app/package.json':
            '{ "type": "module", "exports": { "./slots": { "import": "./lib.js" } } }',
          'node_modules/my-app/lib.js': `\nlet let;`,
        },
        /^cannot load the slots module my-app\/slots: .*, at \/.*\/my-app\/lib\.js:2$/,
      ],
      [
        'an import by the name that TypeScript compiles to, with what to do',
        './slots.mjs',
        { 'slots.mjs': `import './messages.mjs';`, 'messages.mts': '' },
        /: Cannot find module '\/.*\/messages\.mjs' imported from \/.*\/slots\.mjs \(there is messages\.mts: Node itself takes a name as it is written, so import that, or use a loader: NODE_OPTIONS="--import tsx" haricot work …\)$/,
      ],
      [
        'an import of something that its module does not export, with its place',
        './slots.mjs',
        { 'slots.mjs': `\nimport { nope } from 'node:fs';` },
        /^cannot load the slots module \.\/slots\.mjs: .*'node:fs' does not provide an export named 'nope', at \/.*\/slots\.mjs:2$/,
      ],
      [
        'a syntax error of something that it reads, which is not in it',
        './slots.mjs',
        { 'slots.mjs': `JSON.parse('{');` },
        /^cannot load the slots module \.\/slots\.mjs: [^,]*JSON[^,]*$/,
      ],
      [
        'an import of a package that is not there',
        './slots.mjs',
        { 'slots.mjs': `import 'no-such-package';` },
        /^cannot load the slots module \.\/slots\.mjs: Cannot find package 'no-such-package' imported from \/.*\/slots\.mjs$/,
      ],
      [
        'an import of a file that is not there',
        './slots.mjs',
        { 'slots.mjs': `import './messages.mjs';` },
        /^cannot load the slots module \.\/slots\.mjs: Cannot find module '\/.*\/messages\.mjs' imported from \/.*\/slots\.mjs$/,
      ],
      [
        'a require of a package that is not there',
        './slots.cjs',
        { 'slots.cjs': `require('no-such-package');` },
        /^cannot load the slots module \.\/slots\.cjs: Cannot find module 'no-such-package' Require stack: .*slots\.cjs$/,
      ],
      [
        'a module that fails while it is loaded',
        './slots.mjs',
        { 'slots.mjs': `throw new Error('no database');` },
        /^cannot load the slots module \.\/slots\.mjs: no database$/,
      ],
      [
        'a default export that is missing',
        './slots.mjs',
        { 'slots.mjs': `export const connect = 1, other = 2;` },
        /^the default export of \.\/slots\.mjs must be a function \(signals, app\) => void, got nothing; it exports connect, other$/,
      ],
      [
        'a default export that is no function',
        './slots.mjs',
        { 'slots.mjs': `export default { connect: ${CONNECT} };` },
        /^the default export of \.\/slots\.mjs must be a function \(signals, app\) => void, got object$/,
      ],
      [
        'a CommonJS module that exports no function',
        './slots.cjs',
        { 'slots.cjs': `exports.connect = ${CONNECT};` },
        /^the default export of \.\/slots\.cjs must be a function \(signals, app\) => void, got object; it exports connect$/,
      ],
      [
        'a function that connects no slot',
        './slots.mjs',
        { 'slots.mjs': `export default (signals) => { signals.connect('messageFailed', () => {}); };` },
        /^cannot use \.\/slots\.mjs: it connects no slot, and every message would be buried as unhandled$/,
      ],
    ] as const) {
      it(`${what}, with exit code 2`, async () => {
        const { code, stdout, stderr } = await work(slots, files);
        expect([code, stdout], stderr).to.deep.equal([2, '']);
        expect(stderr).to.match(/^haricot: .*\n$/);
        expect(stderr.slice('haricot: '.length, -1)).to.match(message);
      });
    }

    it('a syntax error of a CommonJS module that it requires, and runs nothing twice', async () => {
      const { code, stdout, stderr } = await work('./slots.cjs', {
        'slots.cjs': `console.log('RAN');\nrequire('./lib');`,
        'lib/index.js': `\n\nconst = 5;`,
      });
      expect([code, stdout]).to.deep.equal([2, 'RAN\n']);
      expect(stderr).to.match(/cannot load the slots module .*: Unexpected token '=', at \/.*\/lib\/index\.js:3\n$/);
    });

    for (const [what, body] of [
      ['throws', '() => { throw new Error("no route"); }'],
      ['rejects', 'async () => { throw new Error("no route"); }'],
    ] as const) {
      it(`a function that ${what}, with exit code 1`, async () => {
        const { code, stdout, stderr } = await work('./slots.mjs', { 'slots.mjs': `export default ${body};` });
        expect([code, stdout, stderr]).to.deep.equal([
          1,
          '',
          'haricot: cannot connect the slots of ./slots.mjs: its default export failed: no route\n',
        ]);
      });
    }

    for (const [what, text] of [
      [
        'a module that is being loaded',
        `console.log('loading'); setInterval(() => {}, 1000); await new Promise(() => {});`,
      ],
      [
        'slots that are being connected',
        `export default async () => { console.log('loading'); setInterval(() => {}, 1000); await new Promise(() => {}); };`,
      ],
    ] as const) {
      it(`nothing about ${what}, when a signal stops it: it ends in order`, async () => {
        await writeFile(join(folder, 'slots.mjs'), text);
        const run = Haricot.start(['work', 'mail', '--slots', './slots.mjs', ...NOWHERE], {
          cwd: folder,
          build: build(),
        });
        await run.line(/^loading$/);
        run.signal('SIGTERM');
        expect([await run.exit(), run.stderr]).to.deep.equal([0, '']);
      });
    }

    it('a function that never ends, with exit code 1', async () => {
      const { code, stderr } = await work('./slots.mjs', {
        'slots.mjs': 'export default () => new Promise(() => {});',
      });
      expect([code, stderr]).to.deep.equal([
        1,
        'haricot: ended before it was done: something that it waited for can no longer happen\n',
      ]);
    });
  });

  describe('with an engine', () => {
    const MODULE = `
      import { defineMessage, json } from 'haricot';
      export default async (signals, { driver, queue }) => {
        signals.connect(defineMessage('order.placed'), async ({ data }) => {
          await queue('mail').publish(defineMessage('mail.send'), data);
          console.log(\`placed \${data.qty} on \${driver.system}\`);
        });
        return async () => {
          // The engine is still open.
          console.log(\`ended: \${(await queue('mail').stats()).ready} to mail\`);
        };
      };
      export const queues = { orders: { codec: json, type: 'order.placed' } };`;

    async function prepare(): Promise<HaricotOptions> {
      await mkdir(join(folder, 'node_modules'));
      await symlink(dirname(build()), join(folder, 'node_modules/haricot'));
      await writeFile(join(folder, 'slots.mjs'), MODULE);
      const options = { cwd: folder, build: build(), env: { HARICOT_URL: 'sqlite:./orders.db' } };
      await haricot(['publish', 'orders', 'order.placed', '{"qty":1}', '--codec', 'json'], options);
      return options;
    }

    it('gets queues and the engine, has options of queues, and ends after the worker', async () => {
      const options = await prepare();
      const { code, stdout, stderr } = await haricot(
        ['work', 'orders', '--slots', './slots.mjs', '--until-empty'],
        options,
      );
      expect([code, stderr], stderr).to.deep.equal([0, '']);
      expect(stdout)
        .to.match(/^placed 1 on sqlite$/m)
        .and.to.match(/ stopped: 1 finished, 0 buried\nended: 1 to mail\n$/);
    });

    it('ends in the same way after SIGTERM', async () => {
      const run = Haricot.start(['work', 'orders', '--slots', './slots.mjs'], await prepare());
      await run.line(/^placed 1 on sqlite$/);
      run.signal('SIGTERM');
      expect([await run.exit(), run.stderr]).to.deep.equal([0, '']);
      expect(run.stdout).to.match(/ stopped: 1 finished, 0 buried\nended: 1 to mail\n$/);
    });
  });
});
