// For `npm run docs:check`: the API of every door of the package, and which of it has no comment.
import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'));

export default {
  entryPoints: Object.values(exports).flatMap(({ types }) =>
    types ? [types.replace(/^\.\/dist\/(.*)\.d\.ts$/, 'src/$1.ts')] : [],
  ),
  tsconfig: 'src/tsconfig.json',
  readme: 'none',
  json: 'coverage/docs/api.json',
  plugin: ['typedoc-plugin-coverage'],
  coverageOutputPath: 'coverage/docs/coverage.json',
  coverageOutputType: 'json',
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  treatWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true },
  // Parts of other types, which users do not name.
  intentionallyNotExported: ['ErrorBase', 'MessageEvent', 'DeliveryEvent', 'TimedDeliveryEvent', 'MovedState'],
};
