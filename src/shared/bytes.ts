/**
 * The same bytes in an `ArrayBuffer` of their own, which their owner may transfer to another thread. `Buffer.from` would put
 * small ones into memory that all of the process shares.
 */
export function copyBytes(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
