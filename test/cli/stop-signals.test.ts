import { expect } from 'chai';
import { StoppedError, StopSignals, unlessStopped } from '../../src/cli/stop-signals.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';

type Name = 'SIGHUP' | 'SIGTERM' | 'SIGQUIT';

describe('The signals that stop a worker', () => {
  const clock = useFakeClock();
  let stop: StopSignals;
  let thirds: number;

  beforeEach(() => {
    thirds = 0;
    stop = new StopSignals(() => thirds++);
  });

  afterEach(() => stop.close());

  const send = (name: Name): boolean => process.emit(name, name);
  const asked = (): unknown[] => [stop.graceful.aborted, stop.immediate.aborted, thirds];

  for (const name of ['SIGHUP', 'SIGTERM', 'SIGQUIT'] as const) {
    it(`have ${name} among them`, () => {
      send(name);
      expect(asked()).to.deep.equal([true, false, 0]);
      expect(stop.graceful.reason).to.equal(name);
    });
  }

  it('ask once where several come within a second, whichever they are', () => {
    for (let n = 0; n < 5; n++) send('SIGTERM');
    clock.tick(999);
    send('SIGHUP');
    expect(asked()).to.deep.equal([true, false, 0]);
  });

  it('stop at once when they come again later', () => {
    send('SIGTERM');
    clock.tick(1000);
    send('SIGTERM');
    expect(asked()).to.deep.equal([true, true, 0]);
  });

  it('end the process with the third request', () => {
    for (let n = 0; n < 3; n++) {
      send('SIGTERM');
      clock.tick(1000);
    }
    expect(asked()).to.deep.equal([true, true, 1]);
  });

  it('are left alone when nobody waits for them any more', () => {
    const before = process.listenerCount('SIGQUIT');
    stop.close();
    expect(process.listenerCount('SIGQUIT')).to.equal(before - 1);
  });

  it('end what is being prepared', async () => {
    const preparing = unlessStopped(stop.graceful, new Promise(() => {}));
    send('SIGQUIT');
    expect((await rejection(preparing, StoppedError)).message).to.equal('stopped by SIGQUIT');
    await rejection(unlessStopped(stop.graceful, new Promise(() => {})), StoppedError);
  });

  it('leave a preparation alone that is done, or that fails', async () => {
    expect(await unlessStopped(stop.graceful, Promise.resolve(5))).to.equal(5);
    await rejection(unlessStopped(stop.graceful, Promise.reject(new TypeError('no'))), TypeError);
  });
});
