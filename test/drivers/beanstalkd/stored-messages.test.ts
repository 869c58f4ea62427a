import { expect } from 'chai';
import { openBeanstalkd } from '../../../src/drivers/beanstalkd/driver.js';
import type { Driver } from '../../../src/queue/driver.js';
import { EngineError, InvalidOptionError } from '../../../src/queue/errors.js';
import { rejection } from '../../support/failures.js';
import type { Peer } from '../../support/scripted-server.js';
import { useWireServer } from '../../support/wire-server.js';

function ok(stats: Record<string, string | number>): string {
  const lines = Object.entries(stats).map(([key, value]) => `${key}: ${value}\n`);
  const text = `---\n${lines.join('')}`;
  return `OK ${text.length}\r\n${text}\r\n`;
}

const job = (state: string, counters: Record<string, number> = {}): string =>
  ok({
    id: 7,
    tube: 'mail',
    state,
    pri: 3,
    age: 9,
    ttr: 60,
    'time-left': 0,
    reserves: 2,
    buries: 0,
    kicks: 0,
    ...counters,
  });

describe('The stored messages of a queue on beanstalkd', () => {
  const server = useWireServer();
  let driver: Driver;
  let peer: Peer;

  beforeEach(async () => {
    driver = openBeanstalkd(server().url, { prefix: '' });
    const prepared = driver.setUp('mail');
    peer = await server().peer();
    await peer.takes('use mail\r\n');
    peer.sends('USING mail\r\n');
    await prepared;
  });

  afterEach(() => {
    // Not awaited: these servers do not answer quit.
    void driver.close();
  });

  it('are promoted one by one, by id: a kick would make buried ones ready', async () => {
    const promoted = driver.promote('mail', { limit: 5 });
    await peer.takes('stats-tube mail\r\n');
    peer.sends(ok({ 'current-jobs-delayed': 2 }));
    for (const id of [8, 9]) {
      await peer.takes('peek-delayed\r\n');
      peer.sends(`FOUND ${id} 1\r\na\r\n`);
      await peer.takes(`kick-job ${id}\r\n`);
      // It became ready by itself meanwhile.
      peer.sends(id === 8 ? 'KICKED\r\n' : 'NOT_FOUND\r\n');
    }
    expect(await promoted).to.equal(1);
    expect(peer.unread).to.equal('');
  });

  it('are retried by id where they are buried: a kick would make delayed ones ready', async () => {
    const retried = driver.retry('mail', { ids: ['7', '8', '9'] });
    await peer.takes('stats-job 7\r\nstats-job 8\r\nstats-job 9\r\n');
    peer.sends(job('buried') + job('delayed') + job('buried'));
    await peer.takes('kick-job 7\r\nkick-job 9\r\n');
    peer.sends('KICKED\r\nNOT_FOUND\r\n');
    expect(await retried).to.equal(1);
  });

  it('are not asked about one by one where none is buried', async () => {
    const retried = driver.retry('mail', { limit: 100 });
    await peer.takes('peek-buried\r\n');
    peer.sends('NOT_FOUND\r\n');
    expect(await retried).to.equal(0);
    expect(server().connections).to.equal(1);
  });

  it('show the first that is ready, and the one behind it where that was delivered meanwhile', async () => {
    const listed = driver.list('mail', { state: 'ready', limit: 1 });
    await peer.takes('peek-ready\r\n');
    peer.sends('FOUND 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('reserved'));
    await peer.takes('peek-ready\r\n');
    peer.sends('FOUND 7 2\r\nhi\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('ready'));
    const { messages, next } = await listed;
    expect([messages.length, next]).to.deep.equal([1, undefined]);
    expect(messages[0]).to.deep.include({
      jobId: '7',
      state: 'ready',
      body: Buffer.from('hi'),
      attempts: 2,
      priority: 3,
    });
  });

  it('do not hold one that is still being uploaded', async () => {
    const found = driver.find('mail', '7');
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('invalid'));
    expect(await found).to.equal(null);
  });

  it('are said to be due no earlier than they are: the server rounds down', async () => {
    const found = driver.find('mail', '7');
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('delayed', { 'time-left': 59 }));
    await peer.takes('peek 7\r\n');
    peer.sends('FOUND 7 2\r\nhi\r\n');
    const before = Date.now();
    expect((await found)?.dueAt?.getTime()).to.be.at.least(before + 59_500);
  });

  it('are changed by putting another ahead of deleting the old one', async () => {
    const changed = driver.retry('mail', { ids: ['7'], body: Buffer.from('new') });
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('buried'));
    await peer.takes('put 3 0 60 3\r\nnew\r\n');
    peer.sends('INSERTED 9\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('buried'));
    await peer.takes('delete 7\r\n');
    peer.sends('DELETED\r\n');
    expect(await changed).to.equal(1);
  });

  it('are not doubled where the one to change was retried and taken meanwhile', async () => {
    const changed = driver.retry('mail', { ids: ['7'], body: Buffer.from('new') });
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('buried'));
    await peer.takes('put 3 0 60 3\r\nnew\r\n');
    peer.sends('INSERTED 9\r\n');
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('reserved'));
    await peer.takes('delete 7\r\n');
    peer.sends('NOT_FOUND\r\n');
    await peer.takes('delete 9\r\n');
    peer.sends('DELETED\r\n');
    expect(await changed).to.equal(0);
  });

  it('are kept where the server does not take the changed one', async () => {
    const refused = rejection(driver.retry('mail', { ids: ['7'], body: Buffer.from('new') }), EngineError);
    await peer.takes('stats-job 7\r\n');
    peer.sends(job('buried'));
    await peer.takes('put 3 0 60 3\r\nnew\r\n');
    peer.sends('DRAINING\r\n');
    expect(await refused).to.include({ outcome: 'nothing', retryable: true });
    expect(peer.unread).to.equal('');
  });

  it('refuse a cursor that no page has given', async () => {
    await rejection(driver.list('mail', { state: 'buried', limit: 1, after: 'x' }), InvalidOptionError);
    expect(peer.unread).to.equal('');
  });
});
