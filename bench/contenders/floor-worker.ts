// The loop of a worker on raw sockets: `delete` and the next `reserve` in one write, down as many connections as messages are held.
import type { Socket } from 'node:net';
import { loadClient } from '../harness/package.js';
import { type MessageWorker, measureFromResume, QUEUE } from './message-worker.js';
import { connectRaw } from './raw-socket.js';

const RESERVED = 'RESERVED ';
const OK = 'OK ';
/** Both words stand within so many bytes, behind the answer to the delete before. */
const HEAD = 60;

export async function open({ port }: { readonly port: number }): Promise<MessageWorker> {
  const { Client } = await loadClient();
  const control = await Client.connect({ host: '127.0.0.1', port });
  return {
    async work(options) {
      const { messages, concurrency, trackAttempts } = options;
      const sockets = await Promise.all(Array.from({ length: concurrency }, () => connectRaw(port)));
      let left = messages;
      const done = new Promise<void>((resolve) => {
        for (const socket of sockets) {
          loop(socket, trackAttempts, () => {
            left--;
            if (left === 0) resolve();
          });
        }
      });
      const measured = await measureFromResume(control, options, concurrency, done);
      for (const socket of sockets) socket.end();
      return measured;
    },
  };
}

function loop(socket: Socket, asksStats: boolean, onMessage: () => void): void {
  let id = '';
  socket.on('data', (chunk: Buffer) => {
    const head = chunk.toString('latin1', 0, HEAD);
    const at = head.indexOf(RESERVED);
    if (at >= 0) {
      const from = at + RESERVED.length;
      id = head.slice(from, head.indexOf(' ', from));
      if (asksStats) {
        socket.write(`stats-job ${id}\r\n`);
        return;
      }
    } else if (!head.startsWith(OK)) {
      return;
    }
    onMessage();
    socket.write(`delete ${id}\r\nreserve\r\n`);
  });
  socket.write(`watch ${QUEUE}\r\nignore default\r\nreserve\r\n`);
}
