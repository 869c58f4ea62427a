import { connect, type Socket } from 'node:net';
import type { Address } from '../../src/client/address.js';

/** Where a client gets sockets from whose sent bytes are seen: the text that went down each connection, in order. */
export class SpySockets {
  readonly sent: string[] = [];

  readonly openSocket = (address: Address): Socket => {
    const socket = connect({ ...address, noDelay: true });
    const index = this.sent.push('') - 1;
    const write = socket.write.bind(socket);
    const spied = (chunk: Uint8Array): boolean => {
      this.sent[index] += Buffer.from(chunk).toString('latin1');
      return write(chunk);
    };
    socket.write = spied as typeof socket.write;
    return socket;
  };
}
