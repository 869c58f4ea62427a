// What one Node process can get out of beanstalkd: a raw socket, prepared bytes, replies that are merely counted.
import { measure } from '../harness/measure.js';
import { Payloads } from '../harness/payloads.js';
import type { JobClient, JobClientOptions } from './job-client.js';
import { connectRaw, countLines, putCommand, untilAnswered } from './raw-socket.js';

/** From this size on nothing is copied, and bytes are counted instead of lines: looking for line ends would be the work. */
const LARGE = 4096;

export async function open({ port, size }: JobClientOptions): Promise<JobClient> {
  const socket = await connectRaw(port);
  const commands = new Payloads(size).bodies.map(putCommand);
  const command = (index: number): Buffer => commands[index % commands.length] as Buffer;
  /** The id of the first job of the last `put`; the others follow, because nobody else puts meanwhile. */
  let firstId = 0;

  async function putAll(jobs: number, inFlight: number): Promise<void> {
    let sent = 0;
    let answered = 0;
    const fill = (): void => {
      const until = sent + Math.min(inFlight - (sent - answered), jobs - sent);
      if (until === sent + 1 || size >= LARGE) {
        while (sent < until) socket.write(command(sent++));
      } else if (until > sent) {
        const batch: Buffer[] = [];
        while (sent < until) batch.push(command(sent++));
        socket.write(Buffer.concat(batch));
      }
    };
    await untilAnswered(socket, fill, (chunk) => {
      if (answered === 0) firstId = Number(chunk.toString('latin1', 'INSERTED '.length, chunk.indexOf('\r')));
      answered += countLines(chunk);
      if (answered >= jobs) return true;
      fill();
      return false;
    });
  }

  async function takeAll(jobs: number, inFlight: number): Promise<void> {
    const count = size < LARGE ? countLines : countBytes;
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
        awaited = batch * (size < LARGE ? 1 : 'DELETED\r\n'.length);
      } else {
        socket.write('reserve\r\n'.repeat(batch));
        awaited = size < LARGE ? 2 * batch : reservedBytes(id, batch);
      }
    };
    await untilAnswered(socket, next, (chunk) => {
      awaited -= count(chunk);
      if (awaited > 0) return false;
      if (deleting) done += Math.min(inFlight, jobs - done);
      if (done >= jobs) return true;
      next();
      return false;
    });
  }

  /** How many bytes the server sends for jobs with these ids. */
  function reservedBytes(from: number, batch: number): number {
    let sum = 0;
    for (let id = from; id < from + batch; id++) sum += `RESERVED ${id} ${size}\r\n`.length + size + 2;
    return sum;
  }

  return {
    put: (jobs, inFlight) => measure(jobs, () => putAll(jobs, inFlight)),
    reserveAndDelete: (jobs, inFlight) => measure(jobs, () => takeAll(jobs, inFlight)),
  };
}

function countBytes(chunk: Buffer): number {
  return chunk.length;
}
