import type { Driver } from '../../src/queue/driver.js';

const METHODS = [
  'setUp',
  'put',
  'consume',
  'stats',
  'list',
  'find',
  'retry',
  'promote',
  'delete',
  'flush',
  'queues',
  'pause',
  'close',
] as const;

/** A driver that passes everything on but what is given here. It has no `move` and no `transaction` of its own. */
export function disguisedDriver(driver: Driver, parts: Partial<Driver>): Driver {
  const methods = METHODS.map(
    (name) => [name, (driver[name] as (...args: unknown[]) => unknown).bind(driver)] as const,
  );
  const { system, capabilities } = driver;
  return { system, capabilities, ...Object.fromEntries(methods), ...parts } as Driver;
}
