import { Client } from '../../src/client/client.js';
import { BeanstalkdConsumer } from '../../src/drivers/beanstalkd/consumer.js';
import { Journals } from '../../src/drivers/beanstalkd/journals.js';
import { Subscriptions } from '../../src/drivers/beanstalkd/subscription.js';
import { Tubes } from '../../src/drivers/beanstalkd/tubes.js';
import type { ConsumeOptions } from '../../src/queue/driver.js';
import { OneByOne } from './one-message.js';

/** Makes consumers as a driver does that is opened for a URL; closes all their connections after each test. */
export function useSubscriptions(
  url: () => string,
): (watchList: readonly string[], options?: ConsumeOptions & { readonly prefix?: string }) => OneByOne {
  let subscriptions: Subscriptions | undefined;
  afterEach(() => {
    subscriptions?.close();
    subscriptions = undefined;
  });
  return (watchList, { prefix = '', order = 'fair', trackAttempts = true } = {}) => {
    subscriptions ??= new Subscriptions(url());
    const tubes = new Tubes(prefix);
    const journals = new Journals(tubes, () => Client.connect(url()));
    const consumption = { tubes, journals, watchList, order, trackAttempts };
    return new OneByOne(new BeanstalkdConsumer(subscriptions.to(consumption)));
  };
}
