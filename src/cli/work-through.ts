import { each } from "../credentials/tally.ts";
import { KeyholdError } from "../errors.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { showProgress } from "./progress.ts";

export type Work<T> = Readonly<{
  /** What is done, such as `Resealing credentials`. */
  label: string;
  /** What is left: an item is no longer among it when it is done. */
  left(): Promise<readonly T[]>;
  idOf(item: T): string;
  /** Throws `KeyholdError`. Can be cut off anywhere, and repeated. */
  deal(item: T): Promise<void>;
}>;

const atOnce = 4;
/** An item that changed while it was dealt with, or was busy, is tried again. */
const mostTries = 3;
/** So many failures one after the other are not of the items. */
const mostInARow = 10;
const shown = 20;

/**
 * Deals with everything that is left, shows how far it is, and answers how much that was. What cannot be dealt with is named at the
 * end. Ctrl-C ends it after the items in hand; the same command goes on from there. Throws `CliError`.
 */
export async function workThrough<T>(cli: Cli, work: Work<T>): Promise<number> {
  let items = await work.left();
  if (items.length === 0) return 0;
  const bar = await showProgress(cli.terminal, work.label, items.length);
  using interrupt = onInterrupt();
  const tries = new Tries();
  const deal = async (item: T): Promise<void> => {
    if (interrupt.asked() || tries.areHopeless()) return;
    if (await tries.run(work.idOf(item), () => work.deal(item))) bar.advance();
  };
  while (items.length > 0 && !interrupt.asked() && !tries.areHopeless()) {
    await each(items, deal, atOnce);
    items = (await work.left()).filter((item) => tries.mayGoOn(work.idOf(item)));
  }
  bar.stop(`${work.label}: ${tries.done} done`);
  if (interrupt.asked()) throw new CliError("interrupted", "stopped; the same command goes on from here");
  const left = await work.left();
  if (left.length > 0)
    throw tell(
      cli,
      tries,
      left.map((item) => work.idOf(item)),
    );
  return tries.done;
}

class Tries {
  done = 0;
  #failedInARow = 0;
  readonly #failures = new Map<string, Readonly<{ times: number; error: unknown }>>();

  /** Whether it went well. */
  async run(id: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      this.done += 1;
      this.#failedInARow = 0;
      return true;
    } catch (error) {
      this.#failures.set(id, { times: (this.#failures.get(id)?.times ?? 0) + 1, error });
      this.#failedInARow += 1;
      return false;
    }
  }

  areHopeless(): boolean {
    return this.#failedInARow >= mostInARow;
  }

  mayGoOn(id: string): boolean {
    return (this.#failures.get(id)?.times ?? 0) < mostTries;
  }

  errorOf(id: string): unknown {
    return this.#failures.get(id)?.error;
  }
}

function tell({ output }: Cli, tries: Tries, left: readonly string[]): CliError {
  for (const id of left.slice(0, shown)) output.note(`${id}: ${sentenceOf(tries.errorOf(id))}`);
  return unfinished(
    left.length,
    left.map((id) => tries.errorOf(id)).find((error) => error !== undefined),
  );
}

function unfinished(count: number, error: unknown): CliError {
  const away = error instanceof KeyholdError && error.status === 503;
  return new CliError(away ? "unavailable" : "refused", `${count} could not be dealt with`, {
    hint: "nothing is lost; mend what is named above, and run the same command again",
  });
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof KeyholdError)) return error instanceof Error ? error.name : "not reached";
  const { reason } = error.facts;
  return typeof reason === "string" ? `${error.detail} (${reason})` : error.detail;
}

/** Ctrl-C asks once to stop; a second one kills, as ever. */
function onInterrupt(): Disposable & Readonly<{ asked(): boolean }> {
  let asked = false;
  const ask = (): void => void (asked = true);
  process.once("SIGINT", ask);
  return {
    asked: () => asked,
    [Symbol.dispose]: () => void process.off("SIGINT", ask),
  };
}
