import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { JobTooBigError } from '../src/client/index.js';
import { defineMessage } from '../src/queue/message.js';
import { onBeanstalkd } from './support/engines.js';
import { onOwnServer, onSharedServer } from './support/fixture.js';
import { onOwnQueues } from './support/queues.js';
import { rejects } from './support/rejects.js';
import { until } from './support/until.js';
import { onWorkerBench } from './support/workers.js';

const MIB = 1024 * 1024;

/** Adds up what it is sent, and writes over it. */
const SUM = `
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', (body) => {
    parentPort.postMessage(body.reduce((sum, byte) => sum + byte, 0));
    body.fill(255);
  });
`;

const Greeting = defineMessage<string>('greeting');

describe('Bodies', () => {
  const fixture = onSharedServer();

  it('can be transferred to a thread as they come, while others come down the same connection', async () => {
    const tube = fixture.tube();
    const [client, producer] = await Promise.all([fixture.connectTo(tube), fixture.connectTo(tube)]);
    const bodies = Array.from({ length: 500 }, (_, index) => Buffer.alloc((index * 131) % 3000, index % 100));
    const thread = new Worker(SUM, { eval: true });
    let sum = 0;
    let answers = 0;
    thread.on('message', (part: number) => {
      sum += part;
      answers++;
    });
    const kept = new Map<string, Buffer>();
    const putting = Promise.all(bodies.map((body) => producer.put(body)));
    for (let round = 0; round < 50; round++) {
      const jobs = await Promise.all(Array.from({ length: 10 }, () => client.reserve()));
      for (const [index, job] of jobs.entries()) {
        const { id, body } = job ?? expect.fail('no job');
        if (index % 2 === 0) thread.postMessage(body, [body.buffer as ArrayBuffer]);
        else kept.set(id, body);
      }
      await Promise.all(jobs.map((job) => job?.delete()));
    }
    await until('the thread has answered', async () => answers === 250);
    const ids = await putting;
    const wanted = new Map(ids.map((id, index) => [id, bodies[index] ?? expect.fail()]));
    for (const [id, body] of kept) {
      expect(wanted.get(id)?.equals(body), `job ${id}`).to.equal(true);
      wanted.delete(id);
    }
    const total = [...wanted.values()].reduce((all, body) => all + body.length * (body[0] ?? 0), 0);
    expect(sum).to.equal(total);
    await Promise.all([once(thread, 'exit'), thread.terminate()]);
  });
});

describe('A job of 70 MiB', () => {
  const fixture = onOwnServer({ flags: ['-z', '200000000'] });

  it('rejects the calls that would have got it, and can be settled by its id; the connection and the next job go on', async () => {
    const tube = fixture.tube();
    const client = await fixture.connectTo(tube);
    let disconnects = 0;
    client.on('disconnect', () => disconnects++);
    const id = await client.put(Buffer.alloc(70 * MIB, 'x'), { priority: 0 });
    const next = await client.put('next');

    for (const call of [() => client.peek(id), () => client.peekReady(), () => client.reserveJob(id)]) {
      const error = await rejects(call(), JobTooBigError);
      expect(error).to.include({ code: 'JOB_TOO_BIG', jobId: id });
    }
    await client.release(id, { priority: 0 });
    const error = await rejects(client.reserve({ timeout: 5 }), JobTooBigError);
    expect(error.jobId).to.equal(id);
    expect(await client.statsJob(id)).to.include({ state: 'reserved', reserves: 2 });
    await client.bury(id);
    await rejects(client.peekBuried(), JobTooBigError);

    const job = await client.reserve({ timeout: 5 });
    expect(job?.id).to.equal(next);
    await job?.delete();
    await client.delete(id);
    expect(await client.peek(id)).to.equal(null);
    expect(disconnects).to.equal(0);
  });

  it('comes whole to a client that takes as much', async () => {
    const client = await fixture.connectTo(fixture.tube(), { maxBodyBytes: 80 * MIB });
    await client.put(Buffer.alloc(70 * MIB, 'x'));
    const job = await client.reserve({ timeout: 5 });
    expect(job?.body.equals(Buffer.alloc(70 * MIB, 'x'))).to.equal(true);
    await job?.delete();
  });
});

describe('A worker that meets a job of 70 MiB', () => {
  const queues = onOwnQueues({ flags: ['-z', '200000000'] });
  const { bench } = onWorkerBench(() => onBeanstalkd(queues));

  it('buries it where it is no message, without losing its connection, and goes on with the next', async () => {
    const { queue, signals } = bench();
    const client = await queues.fixture.connectTo(queue.name);
    const id = await client.put(Buffer.alloc(70 * MIB, 'x'), { priority: 0 });
    const received: unknown[] = [];
    signals.connect(Greeting, ({ data }) => void received.push(data));
    await bench().start();
    await queue.publish(Greeting, 'next');
    await bench().until('messageFinished');
    expect(received).to.deep.equal(['next']);
    expect(await client.statsJob(id)).to.include({ state: 'buried', reserves: 1 });
    expect(bench().events('workerError')).to.deep.equal([]);
    // The operator sees it by the client as well, and can take it away.
    await rejects(client.peek(id), JobTooBigError);
    expect(await queue.delete(id)).to.equal(1);
  });
});
