import type { Command } from "commander";
import type { Api } from "./api.ts";
import { CliError } from "./errors.ts";
import type { Output } from "./output.ts";
import type { Terminal } from "./terminal.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command works with. The API is loaded when a command asks for it, so that `--help` waits for none of it. */
export type Cli = Readonly<{
  terminal: Terminal;
  /** Where settings are read; the process's own when `undefined`. */
  environment: Environment | undefined;
  output: Output;
  api(): Promise<Api>;
}>;

/** For an option that may be given several times, each time with one value or several and commas between them. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  const values = value.split(",").map((part) => part.trim());
  return [...earlier, ...values.filter((part) => part !== "")];
}

/** What a key or token is narrowed to. */
export type NarrowingOptions = Readonly<{
  credential?: readonly string[];
  account?: readonly string[];
  network?: readonly string[];
}>;

/** The same under the names of the API and of claims. */
export function narrowingOf({ credential, account, network }: NarrowingOptions) {
  return {
    ...(credential === undefined ? {} : { credentials: credential }),
    ...(account === undefined ? {} : { accounts: account }),
    ...(network === undefined ? {} : { networks: network }),
  };
}

/** Where a page of a list begins and how long it is. */
export type PageOptions = Readonly<{ limit?: string; cursor?: string }>;

export function pageOptions(command: Command): Command {
  return command
    .option("--limit <number>", "how many to show, at most 200")
    .option("--cursor <cursor>", "go on where an earlier page ended");
}

/** Refuses two options of which each undoes the other. Of an option and its negation commander takes the last one. */
export function contradicting(command: Command, one: string, other: string): Command {
  const said = new Set<string>();
  for (const name of [one, other]) {
    command.on(`option:${name}`, () => {
      said.add(name);
      if (said.size === 2) command.error(`error: --${one} and --${other} contradict each other`);
    });
  }
  return command;
}

/** Throws `CliError` for an update that changes nothing. */
export function assertChange(update: object): void {
  if (Object.keys(update).length > 0) return;
  throw new CliError("usage", "no option says what to change", { hint: "`--help` lists the options" });
}
