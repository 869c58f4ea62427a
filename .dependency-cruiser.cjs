// Which folder of src/ may import which: the layers of the README's drawing, as rules.
const layer = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: {
    path: '^src/',
    pathNot: [`^src/${from}/`, '^src/debug[.]ts$', '^src/shared/', ...allowed.map((folder) => `^src/${folder}/`)],
  },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    layer('protocol-imports-nothing-of-ours', 'protocol', []),
    layer('client-imports-protocol', 'client', ['protocol']),
    layer('queue-knows-no-engine', 'queue', ['signals', 'operate']),
    // Methods of Queue call operate/, which therefore sees a queue through an interface: no-cycles keeps it from importing Queue.
    layer('operate-knows-no-engine', 'operate', ['queue']),
    layer('signals-know-queue-types', 'signals', ['queue']),
    layer('beanstalkd-driver', 'drivers/beanstalkd', ['queue', 'client']),
    layer('memory-driver', 'drivers/memory', ['queue']),
    layer('sqlite-driver', 'drivers/sqlite', ['queue']),
    layer('worker', 'worker', ['queue', 'signals']),
    {
      name: 'protocol-does-no-io',
      comment: 'The wire format is pure: no sockets, no timers, no other node modules.',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'shared-knows-nobody',
      severity: 'error',
      from: { path: '^src/shared/' },
      to: { path: '^src/', pathNot: '^src/shared/' },
    },
    {
      name: 'protocol-shares-pure-functions-only',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { path: '^src/shared/', pathNot: '^src/shared/(text|bytes|error-names)[.]ts$' },
    },
    {
      name: 'protocol-writes-no-lines',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { path: '^src/debug[.]ts$' },
    },
    {
      name: 'packages-that-load-lazily',
      comment:
        'They take as long to load as half of the client: debug.ts and generic-pool.ts load them when they are needed.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        path: 'node_modules/(@types/)?(debug|generic-pool)/',
        dependencyTypesNot: ['type-only', 'type-import', 'require', 'dynamic-import'],
      },
    },
    {
      name: 'queue-and-signals-share-types-only',
      comment: 'And the classes of errors.',
      severity: 'error',
      from: { path: '^src/(queue|signals)/' },
      to: {
        path: '^src/(queue|signals)/',
        pathNot: ['^src/$1/', '^src/queue/errors[.]ts$'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-barrel-imports-inside-src',
      comment: 'index.ts files are the public doors; inside, import the file that holds the thing.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '/index[.]ts$' },
    },
    {
      name: 'engines-load-lazily',
      comment: 'Opening one engine must not load another: drivers are reached by dynamic import alone.',
      severity: 'error',
      from: { path: '^src/(drivers/[^/]+\\.ts|index\\.ts)$' },
      to: { path: '^src/drivers/[^/]+/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'only-the-cli-imports-the-cli',
      severity: 'error',
      from: { pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'nothing-needs-the-testing-tools',
      severity: 'error',
      from: { pathNot: '^src/testing/' },
      to: { path: '^src/testing/' },
    },
    {
      name: 'runtime-dependencies-only',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown'], dependencyTypesNot: ['npm-peer'] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
    doNotFollow: { path: 'node_modules' },
  },
};
