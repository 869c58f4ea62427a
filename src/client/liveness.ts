/** How long a reserve may go unanswered. */
export interface Liveness {
  /** The most seconds that one reserve waits at the server. */
  readonly seconds: number;
  /** Milliseconds that its answer may take on top. */
  readonly answerMs: number;
}

/**
 * Divides `livenessMs` between the time that a reserve waits, in the whole seconds of the protocol, and the time for its
 * answer. Below 2000 ms the first is one second all the same.
 */
export function livenessOf(livenessMs: number, replyTimeoutMs: number): Liveness {
  const replyMs = replyTimeoutMs === 0 ? Number.POSITIVE_INFINITY : replyTimeoutMs;
  if (livenessMs === 0) return { seconds: Number.POSITIVE_INFINITY, answerMs: replyMs };
  const answerMs = Math.min(replyMs, livenessMs / 2);
  return { seconds: Math.max(1, Math.floor((livenessMs - answerMs) / 1000)), answerMs };
}
