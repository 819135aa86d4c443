import { StartError } from "../../src/errors.ts";

/** Of prctl(2). */
const setChildSubreaper = 36;

/**
 * Makes this process the parent of what its children leave behind, as the first process of a container is. It does not notice when they
 * end, as a first process does not that is no init: a postmaster that was killed stays in the list of processes. Throws `StartError`
 * where this Node cannot call the C library.
 */
export async function adoptOrphans(): Promise<void> {
  const ffi = await import("node:ffi").catch((cause: unknown) => {
    throw new StartError("This proof needs `node --experimental-ffi`, as `npm run proof` has it.", { cause });
  });
  const { functions } = ffi.dlopen(null, {
    prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" },
  });
  if (functions.prctl(setChildSubreaper, 1n, 0n, 0n, 0n) === 0) return;
  throw new StartError("This proof needs Linux: nothing here adopts the processes that others leave behind.");
}
