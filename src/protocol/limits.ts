/** The largest u32: priority, delay, TTR, pause and body size. */
export const MAX_U32 = 4_294_967_295;

/** The largest u64, as a decimal string: job ids. */
export const MAX_U64_TEXT = '18446744073709551615';

/**
 * The largest timeout of `reserve-with-timeout` that every server version accepts. Versions up to 1.12 turn a larger
 * one into a negative int and wait without limit; from 1.13 on it is refused.
 */
export const MAX_RESERVE_TIMEOUT = 2_147_483_647;

/** The longest tube name, in bytes. */
export const MAX_TUBE_NAME = 200;

/**
 * The longest command line that servers from 1.11 on accept, including CR LF. No line of valid arguments exceeds it.
 */
export const MAX_COMMAND_LINE = 224;

/** The longest reply line that a server can send, including CR LF: `USING` and a tube name of 200 bytes. */
export const MAX_REPLY_LINE: number = 'USING '.length + MAX_TUBE_NAME + 2;

/** The default limit for a received body, in bytes: 64 MiB, a thousand times the server's default max-job-size. */
export const DEFAULT_MAX_BODY_BYTES: number = 64 * 1024 * 1024;

/** The limit for the data of `stats`, `stats-tube` and `stats-job`, in bytes: twenty times what servers send. */
export const MAX_STATS_BYTES: number = 64 * 1024;

/** The limit for a list of tubes, in bytes: 330,000 of the longest names. */
export const MAX_LIST_BYTES: number = 64 * 1024 * 1024;
