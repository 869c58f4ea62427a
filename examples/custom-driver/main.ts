// A driver of one's own: an engine that haricot does not know becomes a URL like any other.
//
//   node --import tsx examples/custom-driver/main.ts
//
// The driver is array-driver.ts, and array-driver.test.ts shows that it keeps every promise of a driver.
import { defineMessage, openDriver, Queue, registerDriver, SignalDispatcher, Worker } from 'haricot';
import { openArray } from './array-driver.js';

registerDriver('array', openArray);

const Greet = defineMessage<{ name: string }>('greet');
const driver = await openDriver('array:greetings?prefix=example-');
const queue = new Queue(driver, 'greetings');

const signals = new SignalDispatcher();
signals.connect(Greet, ({ data }, { attempt }) => {
  if (data.name === 'Bob' && attempt === 1) throw new Error('Bob is not at home');
  console.log(`slot: hello ${data.name}, attempt ${attempt}`);
});
signals.connect('messageReleased', ({ error, delayMs }) => console.log(`released for ${delayMs} ms: ${error}`));

await queue.publishMany(Greet, [{ name: 'Ann' }, { name: 'Bob' }]);
await queue.publish(Greet, { name: 'Carol' }, { priority: 1 });
console.log('published:', await queue.stats());

await new Worker(queue, signals, { backoff: '50ms', maxMessages: 4 }).run();
console.log('left:', await queue.stats());
await driver.close();
