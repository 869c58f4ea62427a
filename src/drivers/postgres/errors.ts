import { EngineError, HaricotError } from '../../queue/errors.js';
import { escapeText, preview, truncate } from '../../shared/text.js';

/** SQLSTATE classes and codes that go away by themselves: conflicts of transactions, a server that restarts or is full. */
const RETRYABLE = /^(?:40001|40P01|55P03|57P0[123]|08...|53...|25006)$/;

/** The connection is of no use any more: it has ended, or its server may only be read. */
const LOST =
  /^(?:57P0[123]|08...|25006|ECONNRESET|EPIPE|ETIMEDOUT|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;

/** These have no code in `pg`. */
const LOST_MESSAGE =
  /^(?:Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded when trying to connect|Query read timeout)/;

const MOST_SHOWN = 300;

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Whether the connection is not to be used again. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined) return LOST.test(code);
  return error instanceof Error && LOST_MESSAGE.test(error.message);
}

/**
 * As the framework throws it. Its `cause` is the error of `pg`.
 * @param isCommit whether a lost connection leaves open what was done
 */
export function toEngineError(error: unknown, what: string, isCommit = true): HaricotError {
  if (error instanceof HaricotError) return error;
  const code = codeOf(error);
  const isLostNow = isLost(error);
  // An error that the server has sent undoes the statement, but for those by which it ends the connection.
  const isUnknown = isCommit && isLostNow && code !== '25006';
  const text = error instanceof Error ? error.message : preview(error);
  const reason = truncate(escapeText(text), MOST_SHOWN);
  const withCode = code === undefined || reason.includes(code) ? reason : `${reason} (${code})`;
  return new EngineError(`${what}: ${withCode}${hintOf(code)}${isUnknown ? '; it may have been done or not' : ''}`, {
    cause: error,
    retryable: isLostNow || (code !== undefined && RETRYABLE.test(code)),
    outcome: isUnknown ? 'unknown' : 'nothing',
  });
}

function hintOf(code: string | undefined): string {
  switch (code) {
    case '28P01':
    case '28000':
      return '; check the user and the password in the URL';
    case '3D000':
      return '; create the database first';
    case '42501':
      return '; grant the user the rights that docs/postgres.md lists';
    case '42P05':
    case '26000':
      return '; a pooler stands between: add prepare=false to the URL';
    case '53300':
      return '; raise max_connections of the server, or lower poolSize in the URL';
    default:
      return '';
  }
}
