import type { Capabilities } from '../../../src/queue/capabilities.js';
import type { Driver } from '../../../src/queue/driver.js';
import { alterDriver } from '../altered.js';
import type { Fault } from './fault.js';

export const denying: readonly Fault[] = [
  {
    what: 'stores a message again that has the same deduplication key',
    fails: [
      'leaves out a second message of a queue, and answers the id of the first',
      'leaves a message out as long as the first is there, in whatever state, and no longer',
    ],
    because: /which of the two is new/,
    breaks: (driver) => claims(driver, { deduplication: 'whilePending' }),
  },
  {
    what: 'delivers messages of one group at the same time',
    fails: ['are delivered one after another, and keep nobody from those of other groups'],
    because: /one of each group/,
    breaks: (driver) => claims(driver, { groups: true }),
  },
];

/** A driver that says that it can what it cannot. */
function claims(driver: Driver, more: Capabilities): Driver {
  return alterDriver(driver, ({ capabilities }) => ({ capabilities: { ...capabilities, ...more } }));
}
