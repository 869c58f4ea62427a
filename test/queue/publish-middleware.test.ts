import { expect } from 'chai';
import { cloudEvents } from '../../src/queue/cloudevents.js';
import { EncodeError, EngineError, InvalidOptionError, MiddlewareError } from '../../src/queue/errors.js';
import { json } from '../../src/queue/json.js';
import { defineMessage } from '../../src/queue/message.js';
import type { OutgoingMessage } from '../../src/queue/publishing.js';
import { publishTo, Queue } from '../../src/queue/queue.js';
import { SignalDispatcher } from '../../src/signals/dispatcher.js';
import { rejection, thrown } from '../support/failures.js';
import { RecordingDriver } from '../support/recording-driver.js';

const Placed = defineMessage<unknown>('order.placed');

describe('The middleware of a queue', () => {
  let driver: RecordingDriver;
  let queue: Queue;

  beforeEach(() => {
    driver = new RecordingDriver();
    queue = new Queue(driver, 'orders');
  });

  function headers(): Readonly<Record<string, string>>[] {
    return driver.puts.map(({ body }) => cloudEvents.decode(body).headers);
  }

  it('gets what is published, around the publishing', async () => {
    const seen: unknown[] = [];
    queue.use(async (outgoing, next) => {
      seen.push(
        outgoing.map(({ type, data, options }) => [type, data, options]),
        driver.puts.length,
      );
      await next();
      seen.push(driver.puts.length);
    });
    const options = { delay: '2s' };
    expect(await queue.publish(Placed, 5, options)).to.equal('1');
    expect(await queue.publishMany(Placed, [6, 7])).to.deep.equal(['2', '3']);
    expect(seen).to.deep.equal([
      [['order.placed', 5, options]],
      0,
      1,
      [
        ['order.placed', 6, {}],
        ['order.placed', 7, {}],
      ],
      1,
      3,
    ]);
  });

  it('may add, change and delete headers of each message, which the caller does not see', async () => {
    queue.use(async (outgoing, next) => {
      outgoing.forEach((message, index) => {
        message.headers['index'] = String(index);
        delete message.headers['internal'];
      });
      await next();
    });
    const given = Object.freeze({ tenant: 'a', internal: 'yes' });
    await queue.publishMany(Placed, [5, 6], { headers: given });
    await queue.publish(Placed, 7);
    expect(headers()).to.deep.equal([{ tenant: 'a', index: '0' }, { tenant: 'a', index: '1' }, { index: '0' }]);
  });

  it('cannot put another value in place of one, which would be ignored', async () => {
    queue.use(async ([message], next) => {
      expect(() => Object.assign(message as OutgoingMessage, { data: 6 })).to.throw(TypeError);
      expect(() => Object.assign(message as OutgoingMessage, { headers: {} })).to.throw(TypeError);
      await next();
    });
    await queue.publish(Placed, 5);
    expect(driver.puts).to.have.length(1);
  });

  it('has its headers checked as those of the caller are', async () => {
    const given: { value: unknown } = { value: 5 };
    const add = async (outgoing: readonly OutgoingMessage[], next: () => Promise<void>): Promise<void> => {
      for (const message of outgoing) message.headers['tenant'] = given.value as string;
      await next();
    };
    queue.use(add);
    expect((await rejection(queue.publish(Placed, 5), InvalidOptionError)).message).to.equal(
      'the header "tenant" must be a string, got 5',
    );
    given.value = 'a';
    const bare = new Queue(driver, 'orders', { codec: json, type: 'order.placed' });
    bare.use(add);
    expect((await rejection(bare.publish(Placed, 5), InvalidOptionError)).message).to.equal(
      'the headers of a message in queue "orders" must be none, got some: its codec writes nothing but the data',
    );
    expect(driver.puts).to.deep.equal([]);
  });

  it('is called in the order of use, the first outermost, and once for each time that it was used', async () => {
    const log: string[] = [];
    const named = (name: string) => async (_: unknown, next: () => Promise<void>) => {
      log.push(`${name} {`);
      await next();
      log.push(`} ${name}`);
    };
    const twice = named('twice');
    queue.use(named('first'));
    const remove = queue.use(twice);
    queue.use(twice);
    await queue.publish(Placed, 5);
    expect(log).to.deep.equal(['first {', 'twice {', 'twice {', '} twice', '} twice', '} first']);
    log.length = 0;
    remove();
    remove();
    {
      using _last = queue.use(named('last'));
    }
    await queue.publish(Placed, 5);
    expect(log).to.deep.equal(['first {', 'twice {', '} twice', '} first']);
  });

  it('sees the error of the publishing, may replace it, and cannot hide it', async () => {
    const full = new EngineError('full');
    driver.put = () => Promise.reject(full);
    const replaced = new Error('try later');
    const remove = queue.use(async (_, next) => {
      await next().catch(() => {});
    });
    expect(await rejection(queue.publish(Placed, 5), Error)).to.equal(full);
    remove();
    queue.use(async (_, next) => {
      await next().catch((error) => {
        expect(error).to.equal(full);
        throw replaced;
      });
    });
    expect(await rejection(queue.publish(Placed, 5), Error)).to.equal(replaced);
  });

  it('is waited for, and what it does not wait for too', async () => {
    queue.use(async (_, next) => {
      void next();
    });
    queue.use(async (_, next) => {
      await new Promise(setImmediate);
      await next();
    });
    expect(await queue.publish(Placed, 5)).to.equal('1');
    driver.put = () => Promise.reject(new EngineError('full'));
    await rejection(queue.publish(Placed, 5), EngineError);
  });

  it('stores nothing where it rejects, throws or does not call next, and must not call it twice', async () => {
    const broken = new Error('broken');
    let remove = queue.use(() => {
      throw broken;
    });
    expect(await rejection(queue.publish(Placed, 5), Error)).to.equal(broken);
    remove();
    remove = queue.use(async () => {});
    expect((await rejection(queue.publishMany(Placed, [5]), MiddlewareError)).message).to.equal(
      'cannot publish to queue "orders": a middleware has resolved without calling next()',
    );
    remove();
    expect(driver.puts).to.deep.equal([]);
    queue.use(async (_, next) => {
      await next();
      await next();
    });
    expect((await rejection(queue.publish(Placed, 5), MiddlewareError)).message).to.equal(
      'cannot publish to queue "orders": a middleware has called next() twice',
    );
    expect(driver.puts).to.have.length(1);
  });

  it('is a function', () => {
    expect(thrown(() => queue.use(5 as never), InvalidOptionError).message).to.equal(
      'a middleware must be a function, got 5',
    );
  });

  it('is not called for what is refused before, and its messages are encoded behind it', async () => {
    let calls = 0;
    queue.use(async (_, next) => {
      calls++;
      await next();
    });
    await rejection(queue.publish(Placed, 5, { priority: -1 }), InvalidOptionError);
    expect(calls).to.equal(0);
    await rejection(queue.publish(Placed, 5n), EncodeError);
    expect(calls).to.equal(1);
  });

  it('is told of by messageSubmitted: the message as it was stored', async () => {
    const signals = new SignalDispatcher();
    const told: unknown[] = [];
    signals.connect('messageSubmitted', ({ message }) => told.push(message.headers));
    const traced = new Queue(driver, 'orders', { signals });
    traced.use(async ([message], next) => {
      if (message) message.headers['traceparent'] = '00-1';
      await next();
    });
    await traced.publish(Placed, 5);
    expect(told).to.deep.equal([{ traceparent: '00-1' }]);
  });
});

describe('publishTo', () => {
  it('publishes one message to several queues in one put', async () => {
    const driver = new RecordingDriver();
    const queues = [
      new Queue(driver, 'totals', { defaults: { priority: 7 } }),
      new Queue(driver, 'search', { source: '/shop' }),
      new Queue(driver, 'bare', { codec: json, type: 'order.placed' }),
    ];
    expect(await publishTo(queues, Placed, { id: 7 }, { delay: '1s' })).to.deep.equal(['1', '2', '3']);
    expect(driver.calls).to.deep.equal([['put', ['totals', 'search', 'bare'], undefined]]);
    expect(driver.puts.map(({ options }) => [options.priority, options.delayMs])).to.deep.equal([
      [7, 1000],
      [1024, 1000],
      [1024, 1000],
    ]);
    const [totals, search] = driver.puts.slice(0, 2).map(({ body }) => cloudEvents.decode(body));
    expect(search).to.deep.equal({ ...totals, source: '/shop' });
    expect(driver.puts[2]?.body.toString()).to.equal('{"id":7}');
  });

  it('takes the id and the transaction', async () => {
    const driver = new RecordingDriver();
    const transaction = {};
    const queues = [new Queue(driver, 'a'), new Queue(driver, 'b')];
    await publishTo(queues, Placed, 5, { id: '7-placed', transaction });
    expect(driver.puts.map(({ body }) => cloudEvents.decode(body).id)).to.deep.equal(['7-placed', '7-placed']);
    expect(driver.calls).to.deep.equal([['put', ['a', 'b'], { transaction }]]);
  });

  it('goes through the middleware of each queue, with headers of its own', async () => {
    const driver = new RecordingDriver();
    const queues = ['a', 'b'].map((name) => {
      const queue = new Queue(driver, name);
      queue.use(async ([message], next) => {
        if (message) message.headers['for'] = name;
        await next();
      });
      return queue;
    });
    expect(await publishTo(queues, Placed, 5)).to.deep.equal(['1', '2']);
    expect(driver.puts.map(({ body }) => cloudEvents.decode(body).headers)).to.deep.equal([{ for: 'a' }, { for: 'b' }]);
    expect(driver.calls).to.have.length(1);
  });

  it('tells the signals of each queue, also of a part that is stored', async () => {
    const driver = new RecordingDriver();
    const told: unknown[] = [];
    const queues = ['a', 'b', 'c'].map((name) => {
      const signals = new SignalDispatcher();
      signals.connect('messageSubmitted', ({ queue, jobId }) => told.push([queue, jobId]));
      return new Queue(driver, name, { signals });
    });
    await publishTo(queues, Placed, 5);
    expect(told.splice(0)).to.deep.equal([
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ]);
    driver.put = () =>
      Promise.reject(new EngineError('too large', { outcome: 'partial', storedIds: ['4', undefined, '6'] }));
    await rejection(publishTo(queues, Placed, 5), EngineError);
    expect(told).to.deep.equal([
      ['a', '4'],
      ['c', '6'],
    ]);
  });

  it('refuses what are no queues of one driver, and a queue that refuses the message', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'a');
    const wrong: [queues: unknown, message: string][] = [
      [[], 'the queues of publishTo must be an array of at least one, got an empty array'],
      [queue, 'the queues of publishTo must be an array of at least one, got a Queue'],
      [[queue, driver], 'a queue of publishTo must be a Queue, got a RecordingDriver'],
      [[queue, undefined], 'a queue of publishTo must be a Queue, got undefined'],
      [[queue, new Queue(new RecordingDriver(), 'b')], 'the queues of publishTo must be of one driver, got 2 drivers'],
      [
        [queue, new Queue(driver, 'b', { type: 'other' })],
        'the type of a message in queue "b" must be "other", got "order.placed"',
      ],
    ];
    for (const [queues, message] of wrong) {
      expect((await rejection(publishTo(queues as Queue[], Placed, 5), InvalidOptionError)).message).to.equal(message);
    }
    expect(driver.calls).to.deep.equal([]);
  });
});
