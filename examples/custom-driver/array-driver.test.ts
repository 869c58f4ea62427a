// Everything that an engine must promise, tested: npx mocha examples/custom-driver/array-driver.test.ts
import { testDriver } from 'haricot/testing/conformance';
import { openArray } from './array-driver.js';

testDriver('array', {
  open: () => openArray('array:test', { prefix: '' }),
});
