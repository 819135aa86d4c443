/** Whether `bytes` starts with `prefix`. For a few bytes a loop is cheaper than a view and a call out of JavaScript. */
export function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let at = 0; at < prefix.length; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
}
