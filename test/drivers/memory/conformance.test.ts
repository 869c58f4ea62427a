import { openMemory } from '../../../src/drivers/memory/driver.js';
import { testDriver } from '../../../src/testing/conformance/suite.js';

testDriver('memory', { open: async () => openMemory('memory:conformance', { prefix: '' }) });
