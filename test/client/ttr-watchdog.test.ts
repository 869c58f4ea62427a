import { expect } from 'chai';
import { TtrWatchdog, type WatchedConnection } from '../../src/client/ttr-watchdog.js';
import type { JobStats } from '../../src/protocol/stats.js';
import { useFakeClock } from '../support/clock.js';

/** Answers as the test requires, and records when each job was checked. */
class Connection implements WatchedConnection {
  readonly asked: string[] = [];
  readonly forgotten: string[] = [];
  isListening = true;
  timeLeft: number | undefined = 10;
  state = 'reserved';
  answer: () => Promise<JobStats | null> = async () =>
    this.timeLeft === undefined ? null : ({ state: this.state, timeLeft: this.timeLeft } as JobStats);

  statsJob(jobId: string): Promise<JobStats | null> {
    this.asked.push(`${Math.round(performance.now())}: ${jobId}`);
    return this.answer();
  }

  forget(jobId: string): void {
    this.forgotten.push(jobId);
  }
}

describe('TtrWatchdog', () => {
  const clock = useFakeClock();
  let connection: Connection;
  let watch: TtrWatchdog;

  beforeEach(() => {
    connection = new Connection();
    watch = new TtrWatchdog(connection);
  });

  it('asks after 1 s, and again when the time left has surely passed', async () => {
    watch.add('7');
    await clock.tickAsync(999);
    expect(connection.asked).to.deep.equal([]);
    await clock.tickAsync(1);
    expect(connection.asked).to.deep.equal(['1000: 7']);
    connection.timeLeft = -1;
    await clock.tickAsync(60_000);
    expect(connection.asked).to.deep.equal(['1000: 7', '12000: 7']);
    expect(clock.pending).to.equal(0);
  });

  it('goes on for a job whose TTR was started anew', async () => {
    watch.add('7');
    await clock.tickAsync(1000 + 3 * 11_000);
    expect(connection.asked).to.deep.equal(['1000: 7', '12000: 7', '23000: 7', '34000: 7']);
  });

  it('asks no more about a job that is gone, or is not reserved any more', async () => {
    connection.timeLeft = undefined;
    watch.add('7');
    await clock.tickAsync(60_000);
    connection.timeLeft = 10;
    connection.state = 'ready';
    watch.add('8');
    await clock.tickAsync(60_000);
    expect(connection.asked).to.deep.equal(['1000: 7', '61000: 8']);
    expect(clock.pending).to.equal(0);
  });

  it('costs nothing for a job that is held less than 1 s', async () => {
    for (let i = 0; i < 100; i++) {
      watch.add(`${i}`);
      await clock.tickAsync(100);
      watch.delete(`${i}`);
    }
    await clock.tickAsync(2000);
    expect(connection.asked).to.deep.equal([]);
    expect(clock.pending).to.equal(0);
  });

  it('asks no more about a job that is given up while it asks', async () => {
    let answer: (stats: JobStats) => void = () => {};
    connection.answer = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    watch.add('7');
    await clock.tickAsync(1000);
    watch.delete('7');
    answer({ state: 'reserved', timeLeft: 10 } as JobStats);
    await clock.tickAsync(60_000);
    expect(connection.asked).to.deep.equal(['1000: 7']);
  });

  it('waits with its question while a reserve waits, and asks soon after', async () => {
    connection.isListening = false;
    watch.add('7');
    await clock.tickAsync(5000);
    expect(connection.asked).to.deep.equal([]);
    connection.isListening = true;
    await clock.tickAsync(500);
    expect(connection.asked).to.have.length(1);
  });

  it('asks about ten at a time, and about none twice', async () => {
    connection.timeLeft = 1000;
    for (let i = 0; i < 25; i++) watch.add(`${i}`);
    await clock.tickAsync(1000);
    expect(connection.asked).to.have.length(10);
    await clock.tickAsync(499);
    expect(connection.asked).to.have.length(10);
    await clock.tickAsync(1);
    expect(connection.asked).to.have.length(20);
    await clock.tickAsync(10_000);
    expect(new Set(connection.asked.map((asked) => asked.split(': ')[1]))).to.have.property('size', 25);
    expect(connection.asked).to.have.length(25);
  });

  it('manages as many jobs as a connection may hold', async () => {
    connection.timeLeft = 1000;
    for (let i = 0; i < 200_000; i++) watch.add(`${i}`);
    await clock.tickAsync(1000);
    expect(connection.asked).to.have.length(10);
    watch.stop();
  });

  it('forgets a job when its question fails', async () => {
    connection.answer = () => Promise.reject(new Error('lost'));
    watch.add('7');
    await clock.tickAsync(60_000);
    expect(connection.asked).to.deep.equal(['1000: 7']);
    expect(clock.pending).to.equal(0);
  });

  it('is over once it is stopped, also while it asks', async () => {
    watch.add('7');
    watch.stop();
    expect(clock.pending).to.equal(0);
    watch.add('8');
    await clock.tickAsync(999);
    connection.answer = async () => {
      watch.stop();
      return { state: 'reserved', timeLeft: 10 } as JobStats;
    };
    await clock.tickAsync(60_000);
    expect(connection.asked).to.deep.equal(['1000: 8']);
    expect(clock.pending).to.equal(0);
  });
});
