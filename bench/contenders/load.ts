import { connectRaw, putCommand } from './raw-socket.js';

/** Connections that put, reserve and delete without a pause: one server has no more to give. */
const CONNECTIONS = 4;

/** Keeps a server busy in a tube of its own. */
export type Load = {
  start(): Promise<void>;
};

export async function open({ port }: { readonly port: number }): Promise<Load> {
  const put = putCommand(Buffer.alloc(100, 'x'));
  return {
    async start() {
      for (let index = 0; index < CONNECTIONS; index++) {
        const socket = await connectRaw(port);
        socket.on('data', (chunk: Buffer) => {
          const text = chunk.toString('latin1');
          const at = text.indexOf('RESERVED ');
          if (at < 0) return;
          socket.write(put);
          socket.write(`delete ${text.slice(at + 9, text.indexOf(' ', at + 9))}\r\nreserve\r\n`);
        });
        socket.write('use load\r\nwatch load\r\nignore default\r\n');
        socket.write(put);
        socket.write('reserve\r\n');
      }
    },
  };
}
