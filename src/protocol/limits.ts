/** Largest u32: priority, delay, TTR, pause and body size on the wire. */
export const MAX_U32 = 4_294_967_295;

/** Largest u64 as decimal text: job ids. */
export const MAX_U64_TEXT = '18446744073709551615';

/**
 * Largest `reserve-with-timeout` that every server version reads as that many seconds: up to 1.12 a larger one turns
 * into a negative int and waits for ever, from 1.13 it is refused.
 */
export const MAX_RESERVE_TIMEOUT = 2_147_483_647;

/** Longest tube name, in bytes. */
export const MAX_TUBE_NAME = 200;

/** Longest command line a server from 1.11 on reads, CR LF included. No line built from valid arguments exceeds it. */
export const MAX_COMMAND_LINE = 224;

/** Longest reply line a server can send, CR LF included: `USING` and a tube name of 200 bytes. */
export const MAX_REPLY_LINE: number = 'USING '.length + MAX_TUBE_NAME + 2;

/** Default ceiling for a received body, in bytes: 64 MiB, a thousand times the server's default max-job-size. */
export const DEFAULT_MAX_BODY_BYTES: number = 64 * 1024 * 1024;

/** Ceiling for the data of `stats`, `stats-tube` and `stats-job`, in bytes: twenty times what servers send. */
export const MAX_STATS_BYTES: number = 64 * 1024;

/** Ceiling for a list of tubes, in bytes: 330,000 of the longest names. */
export const MAX_LIST_BYTES: number = 64 * 1024 * 1024;
