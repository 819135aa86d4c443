import type { Denied, DeniedReason, Unavailable, UnavailableReason } from "../stores/store.ts";
import { denied, unavailable } from "../stores/results.ts";

/** A failure on its way from the depth of a store to its edge, where it becomes an answer. It holds no word of the server's. */
export class StoreTrouble extends Error {
  override readonly name = "StoreTrouble";
  readonly answer: Unavailable | Denied;

  constructor(answer: Unavailable | Denied) {
    super(`${answer.outcome}: ${answer.reason}`);
    this.answer = answer;
  }
}

/** Indefinite: whether the secret is there was not said. Worth another try. */
export function isUnavailable(error: unknown): error is StoreTrouble {
  return error instanceof StoreTrouble && error.answer.outcome === "unavailable";
}

export function throwUnavailable(reason: UnavailableReason): never {
  throw new StoreTrouble(unavailable(reason));
}

export function throwDenied(reason: DeniedReason): never {
  throw new StoreTrouble(denied(reason));
}

/** The edge: what `work` answers, or the failure as an answer. Other errors are mistakes of ours and stay errors. */
export async function answered<T>(work: () => Promise<T>): Promise<T | Unavailable | Denied> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreTrouble) return error.answer;
    throw error;
  }
}
