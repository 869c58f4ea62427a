// The parser alone, fed from memory.

import { type Measured, measure } from '../harness/measure.js';
import { loadParser } from '../harness/package.js';

export interface Feed {
  /** `replies` are short lines, `bodies` are jobs of 4 KiB, `body` is one job. */
  readonly stream: 'replies' | 'bodies' | 'body';
  /** Of the stream, about. */
  readonly bytes: number;
  readonly chunk: number;
  /** Until so long has passed the stream is fed again. */
  readonly sliceMs: number;
}

export type Parser = {
  /** Counts the bytes, and the process's own time: the parser waits for nothing, and others that run are not its affair. */
  feed(feed: Feed): Promise<Measured & { readonly replies: number }>;
};

const BODY = 4096;

export async function open(): Promise<Parser> {
  const { ReplyParser } = await loadParser();
  const streams = new Map<string, Buffer[]>();

  function chunksOf(feed: Feed): Buffer[] {
    const key = JSON.stringify(feed);
    const chunks = streams.get(key) ?? cut(streamOf(feed), feed.chunk);
    streams.set(key, chunks);
    return chunks;
  }

  return {
    async feed(feed) {
      const chunks = chunksOf(feed);
      let replies = 0;
      let bodies = 0;
      const parser = new ReplyParser((reply) => {
        replies++;
        bodies += reply.body?.length ?? 0;
      });
      let times = 0;
      const measured = await measure(0, async () => {
        const until = performance.now() + feed.sliceMs;
        do {
          for (const chunk of chunks) parser.push(chunk);
          times++;
        } while (performance.now() < until);
      });
      const bytes = chunks.reduce((sum, { length }) => sum + length, 0) * times;
      const ms = measured.cpuUs / 1000;
      return { ...measured, ms, count: bytes, replies, intact: bodies === bodiesIn(feed) * times };
    },
  };
}

function streamOf({ stream, bytes }: Feed): Buffer {
  if (stream === 'body') return job(1, bytes);
  const parts: Buffer[] = [];
  for (let id = 1_000_000, size = 0; size < bytes; id++) {
    const part = stream === 'bodies' ? job(id, BODY) : Buffer.from(`INSERTED ${id}\r\n`);
    parts.push(part);
    size += part.length;
  }
  return Buffer.concat(parts);
}

function bodiesIn({ stream, bytes }: Feed): number {
  if (stream === 'replies') return 0;
  return stream === 'body' ? bytes : Math.ceil(bytes / job(1_000_000, BODY).length) * BODY;
}

function job(id: number, size: number): Buffer {
  return Buffer.concat([Buffer.from(`RESERVED ${id} ${size}\r\n`), Buffer.alloc(size, 'x'), Buffer.from('\r\n')]);
}

/** Views of one memory, as a connection cuts them from what it reads into. */
function cut(stream: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
    stream.subarray(index * size, (index + 1) * size),
  );
}
