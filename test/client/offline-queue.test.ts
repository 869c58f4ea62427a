import { expect } from 'chai';
import { ConnectionLostError, PendingLimitError } from '../../src/client/errors.js';
import { OfflineQueue } from '../../src/client/offline-queue.js';
import type { Request } from '../../src/client/request.js';
import type { Reply } from '../../src/protocol/replies.js';
import { useFakeClock } from '../support/clock.js';
import { rejection } from '../support/failures.js';

const LIMITS = { maxWaitingCommands: 3, maxWaitingBytes: 1000, maxWaitingMs: 100, maxPendingBytes: 3000 };

function request(line: string, more: Partial<Request<string>> = {}): Request<string> {
  return { command: 'use', line, decode: (reply: Reply) => reply.value, ...more };
}

describe('OfflineQueue', () => {
  const clock = useFakeClock();

  it('gives what waits to whoever sends it, in order, and passes on how it ends', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const failure = new Error('refused');
    const first = waiting.add(request('1'));
    const second = rejection(waiting.add(request('2')), Error);
    const third = waiting.add(request('3'));
    const sent: string[] = [];
    waiting.flush(async ({ line }) => {
      sent.push(line);
      if (line === '2') throw failure;
      return `answer to ${line}`;
    });
    expect(sent).to.deep.equal(['1', '2', '3']);
    expect([await first, await second, await third]).to.deep.equal(['answer to 1', failure, 'answer to 3']);
    expect(clock.pending).to.equal(0);
  });

  it('refuses a command when so many wait already, and takes one more when one has gone', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const requests = ['1', '2', '3'].map((line) => request(line));
    const calls = requests.map((one) => waiting.add(one));
    const error = await rejection(waiting.add(request('4', { command: 'delete', jobId: '7' })), ConnectionLostError);
    expect(error).to.include({ sent: false, command: 'delete', jobId: '7' });
    expect(error.message).to.equal('cannot delete 7: 3 commands wait for the connection already');
    const gone = rejection(calls[1] ?? expect.fail('no call'), Error);
    expect(waiting.abandon(requests[1] ?? expect.fail('no request'), new Error('given up'))).to.equal(true);
    expect((await gone).message).to.equal('given up');
    const next = waiting.add(request('5'));
    waiting.flush(async ({ line }) => line);
    expect(await Promise.all([calls[0], calls[2], next])).to.deep.equal(['1', '3', '5']);
  });

  it('counts the bytes of lines and bodies, and refuses what would be too many', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const put = (size: number) => waiting.add(request('put\r\n', { command: 'put', body: 'x'.repeat(size), size }));
    const first = put(900);
    const error = await rejection(put(91), ConnectionLostError);
    expect(error).to.include({ sent: false, command: 'put' });
    expect(error.message).to.equal('cannot put: more than 1000 bytes would wait for the connection');
    const second = put(90);
    waiting.flush(async ({ size }) => size);
    expect(await Promise.all([first, second])).to.deep.equal([900, 90]);
    const again = put(995);
    waiting.flush(async ({ size }) => size);
    expect(await again).to.equal(995);
  });

  it('bounds by maxPendingBytes what waits while nothing is wrong, and takes one command whatever its size', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const put = (size: number) =>
      waiting.add(request('put\r\n', { command: 'put', body: 'x'.repeat(size), size }), false);
    const calls = [put(5000)];
    expect(await rejection(put(1), PendingLimitError)).to.include({ command: 'put', code: 'PENDING_LIMIT' });
    waiting.flush(async ({ size }) => size);
    calls.push(put(1000), put(1000));
    await rejection(put(2000), PendingLimitError);
    waiting.flush(async ({ size }) => size);
    expect(await Promise.all(calls)).to.deep.equal([5000, 1000, 1000]);
  });

  it('keeps a body as it was when the command was called', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const body = Buffer.from('before');
    const put = waiting.add(request('put', { command: 'put', body, size: 6 }));
    body.fill('x');
    waiting.flush(async (kept) => Buffer.from(kept.body ?? 'none').toString());
    expect(await put).to.equal('before');
  });

  it('rejects each when its own time is over, with the reason why there is no connection', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const cause = new Error('ECONNREFUSED');
    waiting.cause = cause;
    const ends: string[] = [];
    const note = (name: string) => (error: ConnectionLostError) => {
      expect(error).to.include({ sent: false, cause });
      ends.push(`${name}: ${error.message}`);
    };
    waiting.add(request('1')).catch(note('first'));
    await clock.tickAsync(60);
    waiting.add(request('2')).catch(note('second'));
    await clock.tickAsync(39);
    expect(ends).to.deep.equal([]);
    await clock.tickAsync(1);
    expect(ends).to.deep.equal(['first: cannot use: no connection within 100 ms: ECONNREFUSED']);
    await clock.tickAsync(59);
    expect(ends).to.have.length(1);
    await clock.tickAsync(1);
    expect(ends[1]).to.equal('second: cannot use: no connection within 100 ms: ECONNREFUSED');
    expect(clock.pending).to.equal(0);
  });

  it('gives up none whose time may be over once it was sent', async () => {
    const waiting = new OfflineQueue(LIMITS);
    let answer: (value: string) => void = () => {};
    const call = waiting.add(request('1'));
    waiting.flush(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    await clock.tickAsync(1000);
    answer('late');
    expect(await call).to.equal('late');
  });

  it('rejects all at once, each with an error of its own, and leaves no timer', async () => {
    const waiting = new OfflineQueue(LIMITS);
    const calls = ['1', '2'].map((line) => rejection(waiting.add(request(line)), Error));
    waiting.rejectAll(({ line }) => new Error(`closed before ${line}`));
    expect((await Promise.all(calls)).map(({ message }) => message)).to.deep.equal([
      'closed before 1',
      'closed before 2',
    ]);
    expect(clock.pending).to.equal(0);
  });

  it('abandons nothing that does not wait here', () => {
    const waiting = new OfflineQueue(LIMITS);
    void waiting.add(request('1')).catch(() => {});
    expect(waiting.abandon(request('1'), new Error('given up'))).to.equal(false);
    waiting.rejectAll(() => new Error('over'));
  });
});
