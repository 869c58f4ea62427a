export { type DriverTestOptions, testDriver } from './suite.js';
