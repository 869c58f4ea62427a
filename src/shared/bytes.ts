/**
 * Copies bytes into an `ArrayBuffer` that nothing else uses and that may be transferred to another thread.
 * `Buffer.from` would copy small arrays into memory that the process shares.
 */
export function copyBytes(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * Copies bytes for internal use, so that later changes by their owner have no effect. The copy may be in shared memory.
 */
export function keepBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes);
}

/** Whether the memory of `bytes` was transferred elsewhere. Such an array appears empty. */
export function isDetached(bytes: Uint8Array): boolean {
  try {
    new Uint8Array(bytes.buffer);
    return false;
  } catch {
    return true;
  }
}
