import { each } from "../db/sweep.ts";
import { KeyholdError } from "../errors.ts";
import type { OpenCustody } from "../open-custody.ts";
import type { Cli } from "./cli.ts";
import { CliError } from "./errors.ts";
import { showProgress } from "./terminal.ts";

/**
 * Opens the database, the keys and the stores of the service, with the service's own settings, for the length
 * of an operator's command. It works beside a service that runs, on the embedded database too. It makes no
 * database, no table and no key. Throws `StartError`.
 */
export async function withCustody<T>(
  { environment }: Pick<Cli, "environment">,
  work: (open: OpenCustody) => Promise<T>,
): Promise<T> {
  const [{ readConfig }, { openCustody }, { createLog }] = await Promise.all([
    import("../config/config.ts"),
    import("../open-custody.ts"),
    import("../telemetry/log.ts"),
  ]);
  const open = await openCustody(readConfig(environment), createLog("silent"), { beside: true });
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}

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
/**
 * An item that changed while it was dealt with, was busy, or is among what is left once more, is tried again.
 */
const mostTries = 3;
/** So many failures one after the other are not of the items. */
const mostInARow = 10;
const shown = 20;

/**
 * Works through everything that is left, shows its progress, and returns how much that was. What failed is
 * named at the end. Ctrl-C ends it after the items in hand; the same command goes on from there. Throws
 * `CliError`.
 */
export async function workThrough<T>(cli: Cli, work: Work<T>): Promise<number> {
  let items = await work.left();
  if (items.length === 0) return 0;
  const bar = showProgress(cli.terminal, work.label, items.length);
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
    throw report(
      cli,
      tries,
      left.map((item) => work.idOf(item)),
    );
  return tries.done;
}

class Tries {
  done = 0;
  #failedInARow = 0;
  readonly #times = new Map<string, number>();
  readonly #errors = new Map<string, unknown>();

  /** Whether it went well. */
  async run(id: string, work: () => Promise<void>): Promise<boolean> {
    this.#times.set(id, (this.#times.get(id) ?? 0) + 1);
    try {
      await work();
      this.done += 1;
      this.#failedInARow = 0;
      return true;
    } catch (error) {
      this.#errors.set(id, error);
      if (!isOfTheItem(error)) this.#failedInARow += 1;
      return false;
    }
  }

  areHopeless(): boolean {
    return this.#failedInARow >= mostInARow;
  }

  mayGoOn(id: string): boolean {
    return (this.#times.get(id) ?? 0) < mostTries;
  }

  errorOf(id: string): unknown {
    return this.#errors.get(id);
  }
}

/**
 * A secret that is lost, or an item that changed, concerns no other one; a store, a key or a record that is
 * away concerns them all.
 */
function isOfTheItem(error: unknown): boolean {
  return (
    error instanceof KeyholdError &&
    (error.status !== 503 || ["secret_lost", "secret_damaged"].includes(error.code))
  );
}

function report({ output }: Cli, tries: Tries, left: readonly string[]): CliError {
  const failed = left.filter((id) => tries.errorOf(id) !== undefined);
  for (const id of failed.slice(0, shown)) output.note(`${id}: ${sentenceOf(tries.errorOf(id))}`);
  const errors = failed.map((id) => tries.errorOf(id));
  const away = errors.some((error) => error instanceof KeyholdError && !isOfTheItem(error));
  return new CliError(away ? "unavailable" : "refused", `${left.length} could not be dealt with`, {
    hint: "mend what is named above, and run the same command again",
  });
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof KeyholdError)) return error instanceof Error ? error.name : String(error);
  const { reason } = error.facts;
  return typeof reason === "string" ? `${error.detail} (${reason})` : error.detail;
}

/** The first Ctrl-C asks to stop; a second one ends the process as usual. */
function onInterrupt(): Disposable & Readonly<{ asked(): boolean }> {
  let asked = false;
  const ask = (): void => void (asked = true);
  process.once("SIGINT", ask);
  return {
    asked: () => asked,
    [Symbol.dispose]: () => void process.off("SIGINT", ask),
  };
}
