/**
 * Every form of a reply. `BURIED` has an id after `put` and none after `bury` and `release`. `KICKED` has a number
 * after `kick` and none after `kick-job`.
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
  /** The id, count or tube of the line as a string; empty if the form has none. */
  readonly value: string;
  /**
   * The data of `RESERVED`, `FOUND` and `OK`. Undefined when the body was skipped, and for a `FOUND` whose data does
   * not end in CR LF: another connection is still uploading that job, and the bytes are arbitrary memory of the server.
   */
  readonly body: Buffer | undefined;
  /** The size of a body that was skipped because it is too large. */
  readonly skippedBytes?: number;
}

/** Whether the job is still being uploaded by another connection. Only `peek` can return such a job. */
export function isCutShort(reply: Reply): boolean {
  return reply.form === 'FOUND <id> <bytes>' && reply.body === undefined && reply.skippedBytes === undefined;
}
