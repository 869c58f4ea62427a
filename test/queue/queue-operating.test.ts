import { expect } from 'chai';
import { InvalidOptionError, UnsupportedError } from '../../src/queue/errors.js';
import { Queue } from '../../src/queue/queue.js';
import { countsOf } from '../support/counts.js';
import { rejection } from '../support/failures.js';
import { RecordingDriver, storedMessage } from '../support/recording-driver.js';

describe('A queue that is looked at and operated', () => {
  it('hands what it does not do itself to the engine, under its name', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'mail');
    const stored = storedMessage();
    driver.answers.find = [() => stored];
    expect(countsOf(await queue.stats())).to.deep.equal({ ready: 1, delayed: 2, reserved: 3, buried: 4 });
    expect(await queue.find('7')).to.equal(stored);
    expect(await queue.list({ state: 'reserved', limit: 3, after: 'x' })).to.deep.equal({ messages: [] });
    expect(await queue.retry({ ids: ['7'] })).to.equal(1);
    expect(await queue.retry({ limit: 4 })).to.equal(1);
    expect(await queue.promote({ ids: ['7'] })).to.equal(2);
    expect(await queue.delete('7')).to.equal(3);
    expect(await queue.delete(['7', '8'])).to.equal(3);
    expect(await queue.flush()).to.equal(4);
    await queue.flush({ states: ['buried'] });
    await queue.pause('1.5m');
    await queue.resume();
    await queue.setUp();
    expect(driver.calls).to.deep.equal([
      ['stats', ['mail']],
      ['find', 'mail', '7'],
      ['list', 'mail', { state: 'reserved', limit: 3, after: 'x' }],
      ['retry', 'mail', { ids: ['7'] }],
      ['retry', 'mail', { limit: 4 }],
      ['promote', 'mail', { ids: ['7'] }],
      ['delete', 'mail', ['7']],
      ['delete', 'mail', ['7', '8']],
      ['flush', 'mail', ['ready', 'delayed', 'buried']],
      ['flush', 'mail', ['buried']],
      ['pause', 'mail', 90_000],
      ['pause', 'mail', 0],
      ['setUp', 'mail'],
    ]);
  });

  it('has no stats where the engine knows no such queue', async () => {
    const driver = new RecordingDriver();
    driver.answers.stats = [() => [null]];
    expect(await new Queue(driver, 'mail').stats()).to.equal(null);
  });

  it('shows 100 messages where no limit is given, or as many as the engine can', async () => {
    const driver = new RecordingDriver({ list: { ready: 'first', reserved: 'none' } });
    const queue = new Queue(driver, 'mail');
    await queue.list({ state: 'buried' });
    await queue.list({ state: 'ready' });
    await queue.failed();
    expect(driver.calls.map(([, , options]) => options)).to.deep.equal([
      { state: 'buried', limit: 100, after: undefined },
      { state: 'ready', limit: 1, after: undefined },
      { state: 'buried', limit: 100, after: undefined },
    ]);
    await rejection(queue.list({ state: 'ready', limit: 2 }), UnsupportedError);
    await rejection(queue.list({ state: 'reserved' }), UnsupportedError);
  });

  it('refuses what is invalid, before it asks the engine', async () => {
    const driver = new RecordingDriver();
    const queue = new Queue(driver, 'mail');
    const wrong: [message: string, call: Promise<unknown>][] = [
      ['state must be "ready", "delayed", "reserved" or "buried", got "any"', queue.list({ state: 'any' as never })],
      ['limit must be an integer of at least 1, got 0', queue.list({ state: 'ready', limit: 0 })],
      ['limit must be an integer of at least 1, got 0', queue.failed({ limit: 0 })],
      ['a job id must be a string that is not empty, got 7', queue.find(7 as never)],
      ['a job id must be a string that is not empty, got 7', queue.delete(7 as never)],
      ['a job id must be a string that is not empty, got ""', queue.delete(['7', ''])],
      ['the job ids must be an array, got null', queue.delete(null as never)],
      ['the selection of promote must have ids or limit, got neither', queue.promote({} as never)],
      ['the states to flush must be an array of at least one, got an empty array', queue.flush({ states: [] })],
      ['state must be "ready", "delayed" or "buried", got "reserved"', queue.flush({ states: ['reserved' as never] })],
      ['the pause must be a number of milliseconds', queue.pause('soon')],
    ];
    for (const [message, call] of wrong) {
      expect((await rejection(call, InvalidOptionError)).message.slice(0, message.length)).to.equal(message);
    }
    expect(driver.calls).to.deep.equal([]);
  });
});
