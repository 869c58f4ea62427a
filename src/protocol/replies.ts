/**
 * Every form a reply can have. `BURIED` and `KICKED` have two: with an id after `put` and a number after `kick`,
 * bare after `bury`, `release` and `kick-job`.
 */
export const REPLY_FORMS = [
  'INSERTED <id>',
  'BURIED <id>',
  'BURIED',
  'EXPECTED_CRLF',
  'JOB_TOO_BIG',
  'DRAINING',
  'USING <tube>',
  'RESERVED <id> <bytes>',
  'DEADLINE_SOON',
  'TIMED_OUT',
  'DELETED',
  'RELEASED',
  'TOUCHED',
  'WATCHING <count>',
  'NOT_IGNORED',
  'FOUND <id> <bytes>',
  'KICKED <count>',
  'KICKED',
  'OK <bytes>',
  'PAUSED',
  'NOT_FOUND',
  'OUT_OF_MEMORY',
  'INTERNAL_ERROR',
  'BAD_FORMAT',
  'UNKNOWN_COMMAND',
] as const;

export type ReplyForm = (typeof REPLY_FORMS)[number];

/** One reply of the server. */
export interface Reply {
  readonly form: ReplyForm;
  /** The id, count or tube of the line, as text; empty where the form has none. */
  readonly value: string;
  /**
   * The data of `RESERVED`, `FOUND` and `OK`. A `FOUND` whose data does not end in CR LF has none: that is a job which
   * another connection is still uploading, and the bytes are whatever stood in the server's memory. A body that was
   * skipped is missing as well.
   */
  readonly body: Buffer | undefined;
  /** The size of a body that was skipped because it is too large. */
  readonly skippedBytes?: number;
}

/** Only a peek by id can meet a job that another connection is still uploading. */
export function isCutShort(reply: Reply): boolean {
  return reply.form === 'FOUND <id> <bytes>' && reply.body === undefined && reply.skippedBytes === undefined;
}
