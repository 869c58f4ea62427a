export type { Test, TestRunner } from './runner.js';
export { type DriverTestOptions, testDriver } from './suite.js';
