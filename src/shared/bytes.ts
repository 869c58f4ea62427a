/**
 * The same bytes in an `ArrayBuffer` of their own, which their owner may transfer to another thread. `Buffer.from` would put
 * small ones into memory that all of the process shares.
 */
export function copyBytes(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** The same bytes, for our own use: what their owner does to them from now on changes nothing. They may be in shared memory. */
export function keepBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

/** Whether somebody else has its memory now: it looks empty then. */
export function isDetached(bytes: Uint8Array): boolean {
  try {
    new Uint8Array(bytes.buffer);
    return false;
  } catch {
    return true;
  }
}
