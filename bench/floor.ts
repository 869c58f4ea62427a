// What one Node process can get out of beanstalkd: a raw socket, prepared bytes, replies that are merely counted.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Contender } from './contender.js';

const LF = 10;

export async function connectFloor(port: number, body: Buffer): Promise<Contender> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const put = Buffer.concat([Buffer.from(`put 1024 0 60 ${body.length}\r\n`), body, Buffer.from('\r\n')]);
  /** The id of the first job of the last `put`; the others follow, because nobody else puts meanwhile. */
  let firstId = 0;

  return {
    name: 'floor',
    async put(jobs, inFlight) {
      let sent = 0;
      let answered = 0;
      const fill = (): void => {
        const room = Math.min(inFlight - (sent - answered), jobs - sent);
        if (room > 0) socket.write(room === 1 ? put : Buffer.concat(Array<Buffer>(room).fill(put)));
        sent += room;
      };
      await untilAnswered(socket, fill, (chunk) => {
        if (answered === 0) firstId = Number(chunk.toString('latin1', 'INSERTED '.length, chunk.indexOf('\r')));
        answered += countLines(chunk);
        if (answered >= jobs) return true;
        fill();
        return false;
      });
    },

    async reserveAndDelete(jobs, inFlight) {
      let id = firstId;
      let done = 0;
      let awaited = 0;
      let deleting = true;
      const next = (): void => {
        const batch = Math.min(inFlight, jobs - done);
        deleting = !deleting;
        if (deleting) {
          let text = '';
          for (let i = 0; i < batch; i++) text += `delete ${id++}\r\n`;
          socket.write(text);
          awaited = batch;
        } else {
          socket.write('reserve\r\n'.repeat(batch));
          awaited = 2 * batch;
        }
      };
      await untilAnswered(socket, next, (chunk) => {
        awaited -= countLines(chunk);
        if (awaited > 0) return false;
        if (deleting) done += Math.min(inFlight, jobs - done);
        if (done >= jobs) return true;
        next();
        return false;
      });
    },

    close: () => void socket.destroy(),
  };
}

/** Begins, and gives each chunk to `take` until it says that all has come. */
function untilAnswered(socket: Socket, begin: () => void, take: (chunk: Buffer) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const onData = (chunk: Buffer): void => {
      if (!take(chunk)) return;
      socket.off('data', onData);
      resolve();
    };
    socket.on('data', onData);
    begin();
  });
}

function countLines(chunk: Buffer): number {
  let lines = 0;
  for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) lines++;
  return lines;
}
