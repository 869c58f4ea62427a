// Which folder of src/ may import which: the layers of the README's drawing, as rules. Every folder may import itself,
// src/shared/ and src/debug.ts. A new folder or engine needs no rule of its own: it falls under one of these patterns.
const layer = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: {
    path: '^src/',
    // $1 is the folder that `from` captures.
    pathNot: ['^src/debug[.]ts$', '^src/shared/', ...['$1', ...allowed].map((folder) => `^src/${folder}/`)],
  },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    layer('protocol-imports-no-other-folder', '(protocol)', []),
    layer('client-imports-protocol', '(client)', ['protocol']),
    // Methods of Queue call operate/, which sees a queue through an interface: no-cycles keeps it from importing Queue.
    layer('queue-imports-signals-and-operate', '(queue)', ['signals', 'operate']),
    layer('signals-import-queue', '(signals)', ['queue']),
    layer('drivers-import-queue', '(drivers/(?!beanstalkd/|sqlite/|postgres/|mysql/)[^/]+)', ['queue']),
    layer('sql-drivers-share-sql', '(drivers/(?:sqlite|postgres|mysql))', ['queue', 'drivers/sql']),
    layer('beanstalkd-driver-imports-client', '(drivers/beanstalkd)', ['queue', 'client']),
    layer('worker-imports-queue-and-signals', '(worker)', ['queue', 'signals']),
    layer('operate-imports-queue', '(operate)', ['queue']),
    layer('console-and-telemetry-operate', '(console|telemetry)', ['queue', 'signals', 'worker', 'operate']),
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
      name: 'console-and-telemetry-know-the-worker-by-its-types',
      severity: 'error',
      from: { path: '^src/(console|telemetry)/' },
      to: { path: '^src/worker/', dependencyTypesNot: ['type-only'] },
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
      name: 'tops-are-imported-by-nobody',
      comment:
        'The command line and what users load beside the framework stand on top. The command line may load the others.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: '^src/cli/' },
      to: { path: '^src/(cli|console|telemetry|testing|testcontainers)/', pathNot: '^src/$1/' },
    },
    {
      name: 'doors-export-no-tops',
      severity: 'error',
      from: { path: '^src/[^/]+[.]ts$' },
      to: { path: '^src/(cli|console|telemetry|testing|testcontainers)/' },
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
