import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const LF = 10;

export async function connectRaw(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Begins, and gives each chunk to `take` until it says that all has come. */
export function untilAnswered(socket: Socket, begin: () => void, take: (chunk: Buffer) => boolean): Promise<void> {
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

export function countLines(chunk: Buffer): number {
  let lines = 0;
  for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) lines++;
  return lines;
}

/** The command of a put with its body. */
export function putCommand(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`put 1024 0 60 ${body.length}\r\n`), body, Buffer.from('\r\n')]);
}
